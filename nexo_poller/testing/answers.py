"""What a server does, in one line each: handlers for `Routes`."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import httpx
import trio

from nexo_poller.testing.routes import Handler

TOO_MANY_REQUESTS = 429
NOT_MODIFIED = 304


def answer(
    status: int = 200,
    *,
    json: Any = None,
    text: str = "",
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Handler:
    """Always the same: `json`, if it is not None, or else `text` or `content` (bytes)."""
    body = {"json": json} if json is not None else {"text": text} if text else {"content": content}
    return lambda _request: httpx.Response(status, headers=headers, **body)


def in_turn(first: Handler, *others: Handler) -> Handler:
    """Each handler once, in order, and the last of them from then on."""
    handlers = first, *others
    turns = chain(handlers, repeat(handlers[-1]))

    def answer_in_turn(request: httpx.Request) -> httpx.Response | Awaitable[httpx.Response]:
        return next(turns)(request)

    return answer_in_turn


def late(by: timedelta, handler: Handler) -> Handler:
    """As `handler`, and `by` so much later."""

    async def answer_late(request: httpx.Request) -> httpx.Response:
        await trio.sleep(by.total_seconds())
        return await _answered(handler, request)

    return answer_late


def etagged(handler: Handler) -> Handler:
    """As `handler`, with an ETag made from the body; a 304 to whoever has that body already."""

    async def answer_or_not_modified(request: httpx.Request) -> httpx.Response:
        response = await _answered(handler, request)
        etag = f'"{hashlib.sha256(await response.aread()).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == etag:
            return httpx.Response(NOT_MODIFIED, headers={"ETag": etag})
        response.headers["ETag"] = etag
        return response

    return answer_or_not_modified


def rate_limited(retry_after: timedelta) -> Handler:
    """A 429 that asks for `retry_after` of peace."""
    return answer(TOO_MANY_REQUESTS, headers={"Retry-After": f"{retry_after.total_seconds():.0f}"})


def broken() -> Handler:
    """No answer at all: the connection breaks."""

    def break_off(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)

    return break_off


def cut_off(content: bytes) -> Handler:
    """A body that ends too early: `content`, and then the connection breaks."""

    async def half() -> AsyncIterator[bytes]:
        yield content
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    return lambda _request: httpx.Response(200, content=half())


async def _answered(handler: Handler, request: httpx.Request) -> httpx.Response:
    answered = handler(request)
    return answered if isinstance(answered, httpx.Response) else await answered
