"""Clients of the event stream on bare connections, well-behaved and not."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio
from admin_daemon import AdminDaemon

PATH: Final = "/admin/pollers/events"
REQUEST: Final = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
MORE_THAN_BUFFERS_HOLD: Final = 32_000_000


@asynccontextmanager
async def open_stream(admin: AdminDaemon) -> AsyncIterator[trio.SocketStream]:
    """A connection on which an event stream has begun."""
    async with await admin.connect() as client:
        await client.send_all(REQUEST)
        begun = b""
        while b"retry: 2000" not in begun:
            some = await client.receive_some()
            assert some
            begun += some
        yield client


@asynccontextmanager
async def stalled_stream(admin: AdminDaemon) -> AsyncIterator[trio.SocketStream]:
    """A client that has begun to read an event and does not go on: the server cannot finish sending it."""
    async with open_stream(admin) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        admin.daemon.runner._given.feed.tell("tick", text="x" * MORE_THAN_BUFFERS_HOLD)
        assert await client.receive_some()
        yield client


async def listeners(admin: AdminDaemon, number: int) -> None:
    """Return once so many listen to the runner."""
    while len(admin.daemon.runner._given.feed._readers) != number:
        await trio.lowlevel.checkpoint()
