"""Answers that come before all of the request's body has: a refusal does not wait for it.

The rest of such a body would be in the way of the next request, and so hypercorn closes the connection. It does not tell
the client, whose next request, sent there before it sees the end, would get no answer.
Source: RFC 9112, section 9.3: a server that does not read the whole body has to close the connection.
"""

from typing import Final

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)

CLOSE: Final = (b"connection", b"close")


def telling_of_close(app: ASGIFramework) -> ASGIFramework:
    """`app`, whose answers over HTTP/1.1 say so if the connection ends with them."""

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        body_has_come = not _has_body(scope)

        async def receive_some() -> ASGIReceiveEvent:
            nonlocal body_has_come
            event = await receive()
            body_has_come = body_has_come or not event.get("more_body", False)
            return event

        async def send_some(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start" and not body_has_come:
                event["headers"] = [*event["headers"], CLOSE]
            await send(event)

        await app(scope, receive_some, send_some)

    return answer


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"]) if scope["type"] == "http" else {}
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
