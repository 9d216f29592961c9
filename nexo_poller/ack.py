"""Which acks can be committed; what else a poller returns is its author's mistake, in the daemon and in a plugin alike."""

from datetime import timedelta
from typing import Any, Final

from nexo_poller.errors import PermanentError
from nexo_poller.poller import OutboundDelivery, TickAck, TickMetrics

LONGEST_CURSOR: Final = 16 * 2**20
MOST_ITEMS: Final = 2**53


def checked(ack: Any) -> TickAck:
    """`ack`, if it is one that can be committed. Raises `PermanentError` that says what is wrong with it."""
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
