"""Which acks can be committed; what else a poller returns is its author's mistake, in the daemon and in a plugin alike."""

from datetime import datetime, timedelta
from inspect import isawaitable
from typing import Any, Final

from nexo_poller.errors import PermanentError
from nexo_poller.poller import OutboundDelivery, PollContext, Poller, TickAck, TickMetrics

LONGEST_CURSOR: Final = 16 * 2**20
MOST_ITEMS: Final = 2**53


async def acked(poller: Poller[Any], context: PollContext[Any]) -> TickAck:
    """What one tick returns, if it can be committed.

    Raises what the tick raises, and `PermanentError` that says what is wrong with its ack.
    """
    ticking: Any = poller.tick(context)
    if not isawaitable(ticking):
        raise PermanentError("tick() is no coroutine: write `async def tick(self, ctx)`, which returns a TickAck")
    return _checked(await ticking)


def _checked(ack: Any) -> TickAck:
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
    moments: list[Any] = [one.not_before for one in ack.deliver if one.not_before is not None]
    if any(not isinstance(moment, datetime) or moment.tzinfo is None for moment in moments):
        raise PermanentError("not_before must be an aware datetime (give it a tzinfo, such as datetime.UTC)")
    return ack
