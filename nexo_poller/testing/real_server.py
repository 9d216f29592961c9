"""A small real HTTP/1.1 server on loopback that answers by `Routes`.

async with http_server() as server:
    server.routes["/feed"] = answer(text="<rss/>")
    await client.get(server.url("/feed"))
assert server.requests[0].headers["user-agent"] == …
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import cast

import h11
import httpx
import trio
import trio.testing
from attrs import define

from nexo_poller.testing.routes import Routes

RECEIVE_BYTES = 65_536
# a client has gone, or does not keep the connection; or a handler says that it broke
GONE = (trio.BrokenResourceError, h11.ProtocolError, httpx.TransportError)


@define(eq=False, kw_only=True)
class HttpServer:
    """The running server. `routes` may be changed at any time."""

    routes: Routes
    port: int

    @property
    def requests(self) -> list[httpx.Request]:
        """Those received, in order."""
        return self.routes.requests

    def url(self, target: str = "/") -> str:
        """The address of `target`, a path with or without a query, on this server."""
        return f"http://127.0.0.1:{self.port}{target}"

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        """Answer the requests of one connection until either side has enough."""
        connection = h11.Connection(h11.SERVER)
        async with stream:
            with suppress(*GONE):
                while request := await self._receive_request(connection, stream):
                    await _send_response(connection, stream, request, await self.routes(request))
                    connection.start_next_cycle()

    async def _receive_request(self, connection: h11.Connection, stream: trio.abc.Stream) -> httpx.Request | None:
        """The next request, body and all; None once the client has closed the connection."""
        head, body = None, b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return None
        if head is None:
            return None
        headers = [*head.headers.raw_items()]
        return httpx.Request(head.method.decode(), self.url(head.target.decode()), headers=headers, content=body)


async def _send_response(
    connection: h11.Connection, stream: trio.abc.Stream, request: httpx.Request, response: httpx.Response
) -> None:
    async def send(event: h11.Event) -> None:
        await stream.send_all(connection.send(event) or b"")

    await send(h11.Response(status_code=response.status_code, headers=response.headers.raw))
    if request.method != "HEAD":
        body = aiter(cast("httpx.AsyncByteStream", response.stream))
        async with aclosing(cast("AsyncGenerator[bytes, None]", body)) as pieces:
            async for piece in pieces:
                await send(h11.Data(data=piece))
    await send(h11.EndOfMessage())


@asynccontextmanager
async def http_server(routes: Routes | None = None) -> AsyncIterator[HttpServer]:
    """A server on a free port of 127.0.0.1 for as long as the block lasts.

    Raises `RuntimeError` in virtual time; after the block, what went wrong in a handler, `NoRoute` too.
    """
    if isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock):
        raise RuntimeError(  # noqa: TRY004 - a clock is no argument
            "a real server in virtual time would see every deadline pass while bytes are on their way: leave "
            "autojump_clock out of this test, or say with harness.http what servers answer, without a network"
        )
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = HttpServer(routes=routes or Routes(), port=listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, server.serve_connection, listeners)
        yield server
        nursery.cancel_scope.cancel()
    server.routes.check()
