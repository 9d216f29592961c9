"""Rows of the tables as values, and back. Times are integer milliseconds there and aware datetimes here."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nexo_poller.broker import Message
from nexo_poller.state import JobState
from nexo_poller.store import DeadLetter, Pending, TickRecord
from nexo_poller.timetable import Due

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

STATE_COLUMNS = (
    "created_at, slot, next_run_at, is_retry, pause_reason, cursor, consecutive_errors, failing_since, alerts_sent, "
    "last_failure_alert_at, last_run_at, last_success_at, last_status, last_error, items_seen_total, "
    "items_dispatched_total, ticks_total, awake_since"
)
PENDING_COLUMNS = "seq, job_id, id, topic, body, not_before, created_at, attempts"


def to_ms(moment: datetime | None) -> int | None:
    """Milliseconds since the epoch."""
    return None if moment is None else (moment - EPOCH) // MILLISECOND


def from_ms(ms: int | None) -> datetime | None:
    """The moment so many milliseconds after the epoch."""
    return None if ms is None else EPOCH + timedelta(milliseconds=ms)


def moment(ms: int) -> datetime:
    """`from_ms`, for a column that is never NULL."""
    return EPOCH + timedelta(milliseconds=ms)


def state_from_row(row: tuple[Any, ...]) -> JobState:
    """The state in `STATE_COLUMNS`."""
    (created, slot, next_run, is_retry, pause, cursor, errors, since, alerts, alerted, ran, succeeded, status, error,
     seen, dispatched, ticks, awake_since) = row  # fmt: skip
    return JobState(
        created_at=moment(created),
        due=None if next_run is None else Due(moment(slot), moment(next_run)),
        is_retry=bool(is_retry),
        pause_reason=pause,
        cursor=cursor,
        consecutive_errors=errors,
        failing_since=from_ms(since),
        alerts_sent=alerts,
        last_alert_at=from_ms(alerted),
        last_run_at=from_ms(ran),
        last_success_at=from_ms(succeeded),
        last_status=status,
        last_error=error,
        items_seen_total=seen,
        items_dispatched_total=dispatched,
        ticks_total=ticks,
        awake_since=from_ms(awake_since),
    )


def state_to_row(state: JobState) -> tuple[Any, ...]:
    """`STATE_COLUMNS` of a state, but for `awake_since`, which no tick changes."""
    return (
        to_ms(state.created_at),
        to_ms(state.due.slot if state.due else None),
        to_ms(state.due.at if state.due else None),
        state.is_retry,
        state.pause_reason,
        state.cursor,
        state.consecutive_errors,
        to_ms(state.failing_since),
        state.alerts_sent,
        to_ms(state.last_alert_at),
        to_ms(state.last_run_at),
        to_ms(state.last_success_at),
        state.last_status,
        state.last_error,
        state.items_seen_total,
        state.items_dispatched_total,
        state.ticks_total,
    )


def pending_from_row(row: tuple[Any, ...]) -> Pending:
    """The message in `PENDING_COLUMNS`."""
    seq, job_id, id_, topic, body, not_before, created_at, attempts = row
    return Pending(
        seq=seq,
        job_id=job_id,
        message=Message(id=id_, topic=topic, body=body),
        not_before=from_ms(not_before),
        created_at=moment(created_at),
        attempts=attempts,
    )


def dead_letter_from_row(row: tuple[Any, ...]) -> DeadLetter:
    """The message in a whole row of poll_dead_letter."""
    seq, id_, job_id, topic, body, attempts, error, died_at = row
    message = Message(id=id_, topic=topic, body=body)
    return DeadLetter(seq=seq, job_id=job_id, message=message, attempts=attempts, error=error, died_at=moment(died_at))


def tick_from_row(row: tuple[Any, ...]) -> TickRecord:
    """The tick in a row of poll_tick, without job_id and n."""
    fence, slot, started_at, duration_ms, status, error, seen, dispatched, messages = row
    return TickRecord(
        fence=fence,
        slot=from_ms(slot),
        started_at=moment(started_at),
        duration=timedelta(milliseconds=duration_ms),
        status=status,
        error=error,
        items_seen=seen,
        items_dispatched=dispatched,
        messages=messages,
    )
