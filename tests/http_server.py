"""A small real HTTP/1.1 server on loopback, on trio and h11, whose routes are functions.

    async with http_server({"/feed": lambda request: Response(body=b"<rss/>")}) as server:
        await client.get(server.url("/feed"))
    assert server.requests[0].headers["user-agent"] == ...

A handler may be async, `Response.body` may be an iterable or async generator that is sent chunk by chunk, and a handler that
returns None has written to `request.stream` by itself. Connections are kept alive as the client asks. A handler that
raises fails the test.
"""

import inspect
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial

import h11
import trio
from attrs import Factory, define, field, frozen

RECEIVE_BYTES = 65_536
CLIENT_GONE = (trio.BrokenResourceError, h11.RemoteProtocolError)


@frozen(kw_only=True)
class Request:
    """What a client sent. `target` is path and query as they came, header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    stream: trio.abc.Stream = field(repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@frozen(kw_only=True)
class Response:
    """What to answer. Without a content-length the body travels in chunks, one for each piece of an iterable."""

    status: int = 200
    headers: Mapping[str, str] = Factory(dict)
    body: bytes | Iterable[bytes] | AsyncGenerator[bytes, None] = b""


Handler = Callable[[Request], Response | Awaitable[Response | None]]


def redirect(location: str, *, status: int = 302) -> Handler:
    """A handler that sends every client to `location`."""
    return lambda _request: Response(status=status, headers={"Location": location})


@define(eq=False, kw_only=True)
class Server:
    """The running server. `routes` (by path) may be changed at any time; `requests` are those received, in order.

    `otherwise` answers what has no route.
    """

    scheme: str
    port: int
    routes: dict[str, Handler]
    otherwise: Handler = Factory(lambda: _not_found)
    requests: list[Request] = Factory(list)
    connections: int = 0
    failures: list[Exception] = Factory(list)

    def url(self, target: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{target}"

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        """Answer the requests of one connection until either side has enough."""
        self.connections += 1
        connection = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while request := await _receive_request(connection, stream):
                    self.requests.append(request)
                    if not await self._answered(connection, request):
                        return
        except CLIENT_GONE:
            pass  # as clients do

    async def _answered(self, connection: h11.Connection, request: Request) -> bool:
        try:
            return await _answer(connection, request, self.routes.get(request.path, self.otherwise))
        except CLIENT_GONE:
            raise
        except Exception as error:
            self.failures.append(error)
            raise


def _not_found(_request: Request) -> Response:
    return Response(status=404, body=b"no such route")


async def _answer(connection: h11.Connection, request: Request, handler: Handler) -> bool:
    """Whether the connection can take another request."""
    answer = handler(request)
    response = await answer if inspect.isawaitable(answer) else answer
    if response is None:
        return False
    headers = dict(response.headers)
    if isinstance(response.body, bytes) and response.status != 304:
        headers.setdefault("Content-Length", str(len(response.body)))
    send = partial(_send, connection, request.stream)
    await send(h11.Response(status_code=response.status, headers=list(headers.items())))
    if request.method != "HEAD":
        async with aclosing(_pieces(response.body)) as pieces:
            async for piece in pieces:
                await send(h11.Data(data=piece))
    await send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


async def _send(connection: h11.Connection, stream: trio.abc.Stream, event: h11.Event) -> None:
    await stream.send_all(connection.send(event) or b"")


async def _pieces(body: bytes | Iterable[bytes] | AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    if isinstance(body, AsyncGenerator):
        async with aclosing(body):
            async for piece in body:
                yield piece
    else:
        for piece in [body] if isinstance(body, bytes) else body:
            yield piece


async def _receive_request(connection: h11.Connection, stream: trio.abc.Stream) -> Request | None:
    """The next request, body and all; None once the client has closed the connection."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Request(
                method=head.method.decode(),
                target=head.target.decode(),
                headers={name.decode(): value.decode() for name, value in head.headers},
                body=body,
                stream=stream,
            )
        else:
            return None


@asynccontextmanager
async def http_server(
    routes: Mapping[str, Handler] | None = None, *, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server on a free port of 127.0.0.1 for as long as the block lasts; with `ssl_context` it speaks https."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(
        scheme="https" if ssl_context else "http",
        port=listeners[0].socket.getsockname()[1],
        routes=dict(routes or {}),
    )
    async with trio.open_nursery() as nursery:
        if ssl_context:
            secure = [trio.SSLListener(listener, ssl_context, https_compatible=True) for listener in listeners]
            await nursery.start(trio.serve_listeners, server.serve_connection, secure)
        else:
            await nursery.start(trio.serve_listeners, server.serve_connection, listeners)
        yield server
        nursery.cancel_scope.cancel()
    for failure in server.failures:  # which the cancellation took the place of
        raise failure
