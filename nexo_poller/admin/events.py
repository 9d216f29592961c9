"""What the runner does, as it does it: server-sent events.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import json
from collections.abc import AsyncIterator
from typing import Final

import trio
from quart import Response

from nexo_poller.admin.limits import Limits
from nexo_poller.admin.route import Call
from nexo_poller.runner.events import RunnerEvent
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.store.rows import to_ms

MEDIA_TYPE: Final = "text/event-stream"
RECONNECT_AFTER: Final = b"retry: 2000\n\n"  # ms
STILL_HERE: Final = b": still here\n\n"
STILL_HERE_SECS: Final = 15.0


async def stream_events(call: Call) -> Response:
    """All events from now on, or those of one job, until the client or the server goes away."""
    call.limits.check_streams()
    response = Response(_pieces(call.runner, call.limits, call.query.get("job")), content_type=MEDIA_TYPE)
    response.timeout = None
    return response


async def _pieces(runner: PollerRunner, limits: Limits, job_id: str | None) -> AsyncIterator[bytes]:
    with limits.stream(), runner.events() as events:
        yield RECONNECT_AFTER
        while True:
            event = None
            with trio.move_on_after(STILL_HERE_SECS):  # who is gone without a word is noticed by writing to him
                event = await anext(events)
            if event is None:
                yield STILL_HERE
            elif job_id is None or event.data.get("job_id", job_id) == job_id:
                yield _piece(event)


def _piece(event: RunnerEvent) -> bytes:
    data = json.dumps({"at_ms": to_ms(event.at), **event.data})
    return f"event: {event.kind}\ndata: {data}\n\n".encode()
