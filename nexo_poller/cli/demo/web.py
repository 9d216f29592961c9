"""A small HTTP server on loopback for the demo's source and receiver."""

from collections.abc import Awaitable, Callable
from functools import partial

import h11
import trio
from attrs import frozen

RECEIVE_BYTES = 65_536


@frozen(kw_only=True)
class Request:
    """What a client asked for; `body` is whole."""

    path: str
    body: bytes


@frozen(kw_only=True)
class Answer:
    """What it gets."""

    status: int = 200
    media_type: str = "text/plain"
    body: bytes = b""


Handler = Callable[[Request], Awaitable[Answer | None]]


async def serve(handler: Handler, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve on a free port of 127.0.0.1 until cancelled; started with the base URL, without a slash at the end.

    A handler that returns None hangs up on the client instead of answering.
    """
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, partial(_converse, handler), [listener])
        task_status.started(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")


async def _converse(handler: Handler, stream: trio.SocketStream) -> None:
    """Answer the requests of one connection. A client that is killed goes away without a word."""
    connection = h11.Connection(h11.SERVER)
    try:
        async with stream:
            while request := await _receive(connection, stream):
                answer = await handler(request)
                if answer is None:
                    return
                await stream.send_all(_wire(connection, answer))
                if connection.our_state is not h11.DONE:
                    return
                connection.start_next_cycle()
    except (trio.BrokenResourceError, h11.RemoteProtocolError):
        return


async def _receive(connection: h11.Connection, stream: trio.SocketStream) -> Request | None:
    """The next request; None once the client has closed the connection."""
    path, body = "", b""
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
            case h11.Request(target=target):
                path = target.decode().partition("?")[0]
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                return Request(path=path, body=body)
            case _:
                return None


def _wire(connection: h11.Connection, answer: Answer) -> bytes:
    headers = [("Content-Type", answer.media_type), ("Content-Length", str(len(answer.body)))]
    events = [
        h11.Response(status_code=answer.status, headers=headers),
        h11.Data(data=answer.body),
        h11.EndOfMessage(),
    ]
    return b"".join(connection.send(event) or b"" for event in events)
