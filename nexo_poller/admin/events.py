"""What the runner does, as it does it: server-sent events.

An endless answer. It ends with its client, with the server, and soon after the runner has begun to stop. A heartbeat
shows a client that has gone without a word, and keeps proxies from taking silence for the end.
The format: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import json
from collections.abc import AsyncIterator
from typing import Final

import trio
from quart import Response, request

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.limits import STREAMS
from nexo_poller.admin.outgoing import PIECE_BYTES
from nexo_poller.admin.route import Call
from nexo_poller.runner.events import RunnerEvent
from nexo_poller.store.rows import to_ms

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_SECS: Final = 15.0
TOGETHER_SECS: Final = 0.1  # events of so long are sent at once: sending costs more than they do
HEARTBEAT: Final = b": still here\n\n"
BEGINNING: Final = b"retry: 2000\n\n"  # ms; a client that has it is told of whatever happens from now on
UNBUFFERED: Final = {"X-Accel-Buffering": "no"}  # for nginx, which would keep events until they are many


async def stream_events(call: Call) -> Response:
    """Every event from now on or, if a `job` is asked for, only those that concern it."""
    if not call.limits.streams.available_tokens:
        raise Failure(503, f"{STREAMS} event streams are open, and no more may be", headers={"Retry-After": "10"})
    pieces = b"" if request.method == "HEAD" else _pieces(call)
    response = Response(pieces, headers=UNBUFFERED, content_type=MEDIA_TYPE)
    response.timeout = None
    return response


async def next_piece(events: AsyncIterator[RunnerEvent], job_id: str | None) -> bytes:
    """The next event that is asked for and those right after it, or a heartbeat if there is none for a while."""
    piece = b""
    with trio.move_on_after(HEARTBEAT_SECS) as patience:
        while len(piece) < PIECE_BYTES:
            event = await anext(events)
            if job_id is None or event.data.get("job_id", job_id) == job_id:
                if not piece:
                    patience.deadline = trio.current_time() + TOGETHER_SECS
                piece += event_bytes(event)
    return piece or HEARTBEAT


def event_bytes(event: RunnerEvent) -> bytes:
    """An event as it is sent: its kind, and as JSON when it happened and its data."""
    data = {"at_ms": to_ms(event.at), **event.data}
    return f"event: {event.kind}\ndata: {json.dumps(data)}\n\n".encode()


async def _pieces(call: Call) -> AsyncIterator[bytes]:
    async with call.limits.streams:  # of those that come at the same moment, some may have to wait here
        with call.runner.events() as events:
            yield BEGINNING
            while call.runner.is_serving:
                yield await next_piece(events, call.query.get("job"))
