"""How long a connection waits for its client, in virtual time on real sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from nexo_poller.admin.connection import AFTER_CLOSE_SECS, WRITE_SECS, PatientStream

MORE_THAN_BUFFERS_HOLD = bytes(32_000_000)


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[PatientStream, trio.SocketStream]]:
    """A connection's two ends: the server's and the client's."""
    server, client = trio.socket.socketpair()
    async with trio.SocketStream(server) as accepted, trio.SocketStream(client) as other_end:
        yield PatientStream(accepted), other_end


async def test_a_write_that_is_not_taken_in_time_closes_the_connection(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    async with connection() as (stream, client):
        with pytest.raises(trio.BrokenResourceError, match="the client did not read for 3 s"):
            await stream.send_all(MORE_THAN_BUFFERS_HOLD)
        assert trio.current_time() == began + WRITE_SECS
        assert sum([len(some) async for some in client]) < len(MORE_THAN_BUFFERS_HOLD)


async def eof_of_the_client(stream: PatientStream, client: trio.SocketStream) -> None:
    await client.aclose()
    assert await stream.receive_some() == b""


async def eof_of_the_server(stream: PatientStream, _: trio.SocketStream) -> None:
    await stream.send_eof()


async def closing(stream: PatientStream, _: trio.SocketStream) -> None:
    await stream.aclose()


@pytest.mark.parametrize("end", [eof_of_the_client, eof_of_the_server, closing])
async def test_once_a_side_has_begun_to_close_whoever_serves_it_has_a_moment_left(
    end: Callable[[PatientStream, trio.SocketStream], Awaitable[None]], autojump_clock: MockClock
) -> None:
    async with connection() as (stream, client):
        with stream.life:
            await end(stream, client)
            began = trio.current_time()
            await trio.sleep_forever()
        assert trio.current_time() == began + AFTER_CLOSE_SECS
