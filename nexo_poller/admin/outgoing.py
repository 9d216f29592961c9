"""Answers, as they leave: JSON in pieces, with headers that tell browsers to be careful."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import trio
from quart import Response

from nexo_poller.admin.failures import Failure
from nexo_poller.config.binds import OURS

JSON: Final = "application/json"
PIECE_BYTES: Final = 65_536  # what a slow reader must take before the server's patience with one write ends
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    OURS: "admin",
}


async def careful(response: Response) -> Response:
    """The response with the headers that all answers have."""
    response.headers.update(HEADERS)
    return response


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON."""
    return bytes_response(json.dumps(value).encode(), JSON, status, headers)


def failure_response(failure: Failure) -> Response:
    """`{ok: false, error, …}`, with its status."""
    return json_response(failure.body(), failure.status, failure.headers)


def bytes_response(
    body: bytes, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`body`, sent piece by piece."""
    sent = body if len(body) <= PIECE_BYTES else _pieces(body)
    response = Response(sent, status, dict(headers or {}), content_type=media_type)
    response.content_length = len(body)
    return response


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE_BYTES):
        await trio.lowlevel.checkpoint()
        yield body[start : start + PIECE_BYTES]
