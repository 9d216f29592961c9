"""One tick inside a plugin: the daemon's request becomes a context, and what the poller returns a reply."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve

from nexo_poller.ack import acked
from nexo_poller.config.job_config import structure_config
from nexo_poller.errors import HostHeld, PermanentError, TransientError
from nexo_poller.failures import classify, describe
from nexo_poller.plugins.sdk.payloads import delivered_payload
from nexo_poller.plugins.ticks import TickRequest, decode_cursor, reply_of
from nexo_poller.poller import PollContext, Poller, PollerHost, TickAck

if TYPE_CHECKING:  # a poller that needs no HTTP shall not wait for it
    import httpx

OpenHttp = Callable[[str, Any], "httpx.AsyncClient"]
"""The client for a job of this id with this typed config."""


async def run_tick(
    request: TickRequest, poller: Poller[Any], host: PollerHost, open_http: OpenHttp
) -> Mapping[str, Any]:
    """The result of the tick, as it travels.

    Raises `TransientError` or `PermanentError`, whatever the poller raised; cancellation passes through untouched.
    """
    try:
        ack = await acked(poller, _context(request, poller, host, open_http))
        return reply_of(_as_json(ack))
    except Exception as error:
        raise _for_the_wire(error) from error


def _context(request: TickRequest, poller: Poller[Any], host: PollerHost, open_http: OpenHttp) -> PollContext[Any]:
    config = structure_config(request.config, poller)
    return PollContext(
        job_id=request.job_id,
        agent_id=request.agent_id,
        kind=request.kind,
        config=config,
        cursor=None if request.cursor is None else decode_cursor(request.cursor),
        now=datetime.fromisoformat(request.now).astimezone(UTC),
        interval_hint=timedelta(seconds=request.interval_hint_secs),
        host=host,
        is_dry_run=request.is_dry_run,
        open_http=lambda: open_http(request.job_id, config),
    )


def _as_json(ack: TickAck) -> TickAck:
    return evolve(ack, deliver=[evolve(one, payload=delivered_payload(one)) for one in ack.deliver])


def _for_the_wire(error: Exception) -> TransientError | PermanentError:
    """What becomes of the job. The wire has no word for a held host: what it says is when to come back."""
    match classify(error):
        case HostHeld() as held:
            return TransientError(describe(held), retry_after=held.wait)
        case failed:
            return failed
