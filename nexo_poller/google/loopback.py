"""Where the browser brings a login's outcome: a server on loopback that answers one question (RFC 8252, 7.3)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl

import h11
import trio
from attrs import define, field

from nexo_poller.errors import NexoPollerError

RECEIVE_BYTES: Final = 16_384
PATIENCE: Final = 10.0  # seconds that a browser may take to ask, and to listen
PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>nexo-poller</title>
<body style="font: 1.2rem system-ui; margin: 4rem auto; max-width: 40rem"><p>{}</p></body></html>
"""
HEADERS: Final = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Connection", "close"),
]


@define(eq=False)
class Redirect:
    """What the browser was redirected with. It waits for `tell`."""

    parameters: Mapping[str, str] = field(repr=False)
    _words: str = ""
    _told: trio.Event = field(factory=trio.Event)
    _shown: trio.Event = field(factory=trio.Event)

    async def tell(self, words: str) -> None:
        """Show these words (plain text of ours) in the browser, if it still listens."""
        self._words = words
        self._told.set()
        with trio.move_on_after(PATIENCE):
            await self._shown.wait()

    async def show(self, connection: h11.Connection, stream: trio.abc.Stream) -> None:
        """Wait for the words and send them."""
        try:
            await self._told.wait()
            await _send_page(connection, stream, 200, self._words)
        finally:
            self._shown.set()


@define(eq=False)
class Loopback:
    """The server. Only what comes with the right `state` counts: any page may lead a browser here."""

    uri: str
    _state: str = field(repr=False)
    _send: trio.MemorySendChannel[Redirect] = field(repr=False)
    _receive: trio.MemoryReceiveChannel[Redirect] = field(repr=False)

    async def redirect(self) -> Redirect:
        """The first redirect that belongs to this login."""
        return await self._receive.receive()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer one request."""
        async with stream:
            with suppress(h11.ProtocolError, trio.BrokenResourceError, trio.TooSlowError):
                await self._answer(stream)

    async def _answer(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        with trio.fail_after(PATIENCE):
            request = await _request(connection, stream)
        path, _, query = request.target.decode().partition("?")
        parameters = dict(parse_qsl(query))
        if request.method != b"GET" or path != "/":
            await _send_page(connection, stream, 404, "There is nothing here.")
        elif not compare_digest(parameters.get("state", "").encode(), self._state.encode()):
            await _send_page(connection, stream, 400, "This does not belong to the login that is under way.")
        else:
            redirect = Redirect(parameters)
            await self._send.send(redirect)
            await redirect.show(connection, stream)


@asynccontextmanager
async def loopback(state: str) -> AsyncIterator[Loopback]:
    """A server on a random port of 127.0.0.1. What the block raises of this library's own comes out as it is."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    server = Loopback(f"http://127.0.0.1:{port}", state, *trio.open_memory_channel[Redirect](0))
    failure: NexoPollerError | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, server.serve, listeners))
        try:
            yield server
        except NexoPollerError as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure:
        raise failure


async def _request(connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request:
    while not isinstance(event := connection.next_event(), h11.Request):
        if event is not h11.NEED_DATA:
            raise h11.RemoteProtocolError("no request")
        connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
    return event


async def _send_page(connection: h11.Connection, stream: trio.abc.Stream, status: int, words: str) -> None:
    for event in (
        h11.Response(status_code=status, headers=HEADERS),
        h11.Data(data=PAGE.format(words).encode()),
        h11.EndOfMessage(),
    ):
        await stream.send_all(connection.send(event) or b"")
