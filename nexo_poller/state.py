"""What a job has behind it and before it, and how a tick changes that.

Everything here is a pure function from a state, and what a tick came to, to the next state. The store saves the result
whole, in the commit; nothing in between is ever visible.

    after_ack          success: errors are forgotten, the following slot is due next
    after_transient    backoff: the same slot again, later; alerts at the breaker's threshold
    after_permanent    pause, with an alert
    after_skip         the slot is given up; nothing counts
    after_silence      no tick at all, or none that went well, for too long: an alert
    after_manual_ack / after_manual_error
                       the same for a run by hand, which leaves schedule and pause as they are (R5)
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from attrs import evolve, field, frozen

from nexo_poller import alerts
from nexo_poller.poller import TickAck
from nexo_poller.timetable import Due

Status = Literal["ok", "transient", "permanent", "skipped"]
FIRED = "fired"


@frozen(kw_only=True)
class JobState:
    """The durable state of a job.

    `due` is what comes next; None means that nothing does, and then `pause_reason` says why. `is_retry` tells a backoff
    from a slot. `alerts_sent` counts the alerts of the present row of errors, which began at `failing_since`;
    `last_alert_at` outlives it, for the cooldown. `awake_since`: when the job was last resumed, reset or given another
    schedule; None: never.
    """

    created_at: datetime
    due: Due | None
    is_retry: bool = False
    pause_reason: str | None = None
    cursor: bytes | None = field(default=None, repr=False)
    consecutive_errors: int = 0
    failing_since: datetime | None = None
    alerts_sent: int = 0
    last_alert_at: datetime | None = None
    last_run_at: datetime | None = None
    last_success_at: datetime | None = None
    last_status: Status | None = None
    last_error: str | None = None
    items_seen_total: int = 0
    items_dispatched_total: int = 0
    ticks_total: int = 0
    awake_since: datetime | None = None

    @property
    def silent_since(self) -> datetime:
        """The last success, or when the job could first have had one."""
        return max(self.created_at, self.awake_since or self.created_at, self.last_success_at or self.created_at)

    def is_stale(self, limit: timedelta | None, now: datetime) -> bool:
        """Whether a job that is awake has had no success for `limit`; None: never."""
        return limit is not None and self.pause_reason is None and now - self.silent_since >= limit


@frozen(kw_only=True)
class Step:
    """The state after a tick, and what to tell the operator about it (None: nothing)."""

    state: JobState
    alert: str | None = None


@frozen(kw_only=True)
class AlertPolicy:
    """When to raise an alert: from `threshold` errors in a row on, or without a success for `stale_after`.

    And then once a `cooldown`.
    """

    job_id: str
    kind: str
    threshold: int
    cooldown: timedelta
    stale_after: timedelta | None = None


def after_ack(state: JobState, ack: TickAck, *, now: datetime, following: Due | None, policy: AlertPolicy) -> Step:
    """The tick went well. `following` None: there is no further slot, the job has fired (T8)."""
    recovered = alerts.recovered(policy.job_id, state.consecutive_errors) if state.alerts_sent else None
    return Step(state=evolve(state, **_succeeded(state, ack, now), **_onward(following)), alert=recovered)


def after_transient(state: JobState, error: str, *, now: datetime, retry_at: datetime, policy: AlertPolicy) -> Step:
    """The tick failed and is tried again at `retry_at`, still for the same slot (T10)."""
    slot = state.due.slot if state.due else retry_at
    failed = evolve(state, **_failed(state, "transient", error, now), due=Due(slot, retry_at), is_retry=True)
    if failed.consecutive_errors < policy.threshold or not _may_alert(state, now, policy):
        return Step(state=failed)
    return _alerted(failed, error, now, policy)


def after_permanent(state: JobState, error: str, *, now: datetime, following: Due | None, policy: AlertPolicy) -> Step:
    """The tick failed for good: the job is paused. No cooldown holds this alert back: nothing will follow it."""
    pause = {"pause_reason": f"permanent error: {error}; mend it, then `nexo-poller resume {policy.job_id}`"}
    failed = evolve(state, **_failed(state, "permanent", error, now), **(pause | _onward(following)))
    return _alerted(failed, error, now, policy)


def after_skip(state: JobState, why: str, *, now: datetime, following: Due) -> Step:
    """The slot was given up for a reason that is no fault of the job's; `following` may be the same slot, later."""
    is_retry = state.due is not None and following.slot == state.due.slot
    skipped = evolve(state, last_run_at=now, last_status="skipped", last_error=why, ticks_total=state.ticks_total + 1)
    return Step(state=evolve(skipped, due=following, is_retry=is_retry))


def after_silence(state: JobState, *, now: datetime, policy: AlertPolicy) -> Step | None:
    """No success for too long raises the failure alert though nothing may have failed. None: there is nothing to say."""
    if not state.is_stale(policy.stale_after, now) or not _may_alert(state, now, policy):
        return None
    why = f"no success since {state.silent_since:%Y-%m-%dT%H:%M:%SZ}; {state.last_error or 'nothing failed, it did not run'}"
    return _alerted(evolve(state, failing_since=state.failing_since or state.silent_since), why, now, policy)


def after_manual_ack(state: JobState, ack: TickAck, *, now: datetime, policy: AlertPolicy) -> Step:
    """A run by hand went well: its cursor and counters are kept, errors are forgotten."""
    recovered = alerts.recovered(policy.job_id, state.consecutive_errors) if state.alerts_sent else None
    return Step(state=evolve(state, **_succeeded(state, ack, now)), alert=recovered)


def after_manual_error(state: JobState, status: Status, error: str, *, now: datetime) -> Step:
    """A run by hand failed: that is recorded, and counts as nothing."""
    return Step(
        state=evolve(state, last_run_at=now, last_status=status, last_error=error, ticks_total=state.ticks_total + 1)
    )


def after_reset(state: JobState, *, due: Due | None) -> JobState:
    """Cursor and errors are gone, the job is awake and starts over at `due`."""
    return JobState(
        created_at=state.created_at,
        due=due,
        last_alert_at=state.last_alert_at,
        items_seen_total=state.items_seen_total,
        items_dispatched_total=state.items_dispatched_total,
        ticks_total=state.ticks_total,
    )


def _succeeded(state: JobState, ack: TickAck, now: datetime) -> dict[str, Any]:
    return {
        "cursor": state.cursor if ack.next_cursor is None else ack.next_cursor,
        "consecutive_errors": 0,
        "failing_since": None,
        "alerts_sent": 0,
        "last_run_at": now,
        "last_success_at": now,
        "last_status": "ok",
        "last_error": None,
        "items_seen_total": state.items_seen_total + ack.metrics.items_seen,
        "items_dispatched_total": state.items_dispatched_total + ack.metrics.items_dispatched,
        "ticks_total": state.ticks_total + 1,
    }


def _failed(state: JobState, status: Status, error: str, now: datetime) -> dict[str, Any]:
    return {
        "consecutive_errors": state.consecutive_errors + 1,
        "failing_since": state.failing_since or now,
        "last_run_at": now,
        "last_status": status,
        "last_error": error,
        "ticks_total": state.ticks_total + 1,
    }


def _onward(following: Due | None) -> dict[str, Any]:
    if following is None:
        return {"due": None, "is_retry": False, "pause_reason": FIRED}
    return {"due": following, "is_retry": False}


def _may_alert(state: JobState, now: datetime, policy: AlertPolicy) -> bool:
    return state.last_alert_at is None or now - state.last_alert_at >= policy.cooldown


def _alerted(state: JobState, error: str, now: datetime, policy: AlertPolicy) -> Step:
    since = state.failing_since if state.alerts_sent else None
    return Step(
        alert=alerts.failing(policy.job_id, policy.kind, error, since=since),
        state=evolve(state, alerts_sent=state.alerts_sent + 1, last_alert_at=now),
    )
