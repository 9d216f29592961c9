"""The edge of a tick: a poller's code runs here, and whatever comes out of it becomes a value."""

import logging
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import trio

from nexo_poller.errors import HostHeld, PermanentError, TransientError
from nexo_poller.failures import classify, leaves
from nexo_poller.poller import OutboundDelivery, PollContext, Poller, TickAck, TickMetrics

Ended = TickAck | TransientError | PermanentError | HostHeld

LONGEST_CURSOR = 16 * 2**20
MOST_ITEMS = 2**53
log = logging.getLogger(__name__)
inside: ContextVar[tuple[str, ...]] = ContextVar("inside", default=())
"""The ids of the jobs whose ticks the present task is part of."""


async def run_tick(poller: Poller[Any], context: PollContext[Any], timeout: timedelta) -> Ended:
    """What the tick came to. Cancellation, `KeyboardInterrupt` and `SystemExit` pass through untouched."""
    token = inside.set((*inside.get(), context.job_id))
    try:
        with trio.CancelScope(deadline=trio.current_time() + timeout.total_seconds()):
            return checked(await poller.tick(context))
        return TransientError(f"timed out after {timeout.total_seconds():g} s")
    except Exception as error:  # noqa: BLE001 - the one place where a poller's errors end
        return classify(error)
    except BaseExceptionGroup as group:  # cancelled from outside, with errors in its wake: they lead nowhere
        errors, rest = group.split(Exception)
        if errors is not None:
            log.debug("job '%s': raised while it was cancelled: %s", context.job_id, kinds(errors))
        raise rest or group from None
    finally:
        inside.reset(token)


def kinds(group: BaseExceptionGroup[Any]) -> str:
    """What is in the group, without a word of theirs, which nobody has masked."""
    return ", ".join(sorted({type(leaf).__name__ for leaf in leaves(group)}))


def checked(ack: Any) -> TickAck:
    """`ack`, if it is one that can be committed."""
    if not isinstance(ack, TickAck):
        raise PermanentError(f"tick() must return a TickAck, not {type(ack).__name__}")
    if ack.next_cursor is not None and not isinstance(ack.next_cursor, bytes):
        raise PermanentError(f"next_cursor must be bytes or None, not {type(ack.next_cursor).__name__}")
    if ack.next_cursor is not None and len(ack.next_cursor) > LONGEST_CURSOR:
        raise PermanentError(f"next_cursor has {len(ack.next_cursor):,} bytes; at most {LONGEST_CURSOR:,} are kept")
    metrics: Any = ack.metrics
    if not isinstance(metrics, TickMetrics) or max(metrics.items_seen, metrics.items_dispatched) > MOST_ITEMS:
        raise PermanentError(f"metrics must be a TickMetrics of sensible numbers, not {metrics!r}")
    if not isinstance(ack.next_interval_hint, timedelta | None):
        raise PermanentError(f"next_interval_hint must be a timedelta, not {type(ack.next_interval_hint).__name__}")
    if not isinstance(ack.deliver, list | tuple) or not all(isinstance(one, OutboundDelivery) for one in ack.deliver):
        raise PermanentError("deliver must be a list or tuple of OutboundDelivery")
    if any(one.not_before is not None and one.not_before.tzinfo is None for one in ack.deliver):
        raise PermanentError("not_before must be an aware datetime (give it a tzinfo, such as datetime.UTC)")
    return ack
