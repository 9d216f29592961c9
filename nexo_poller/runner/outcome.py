"""What a tick came to, and what follows from it for the job: values and decisions, carried out in `job`."""

from datetime import datetime, timedelta
from typing import assert_never

from attrs import frozen

from nexo_poller.backoff import retry_delay
from nexo_poller.config.model import JobSpec, Settings
from nexo_poller.errors import HostHeld, PermanentError, TransientError
from nexo_poller.poller import TickAck, TickMetrics
from nexo_poller.runner.tick import Ended
from nexo_poller.state import (
    AlertPolicy,
    JobState,
    Status,
    Step,
    after_ack,
    after_manual_ack,
    after_manual_error,
    after_permanent,
    after_skip,
    after_transient,
)
from nexo_poller.store import Claim, Outgoing, TickRecord
from nexo_poller.timetable import Due, Timetable

NO_ITEMS = TickMetrics()


@frozen(kw_only=True)
class Outcome:
    """A tick that has ended at `now`: how, what it sends, and (`error`, masked) what it says of its failure."""

    ended: Ended
    error: str
    outgoing: tuple[Outgoing, ...]
    duration: timedelta
    now: datetime

    @property
    def status(self) -> Status:
        """The outcome as history and metrics call it."""
        match self.ended:
            case TickAck():
                return "ok"
            case PermanentError():
                return "permanent"
            case TransientError():
                return "transient"
            case HostHeld():
                return "skipped"
            case _:
                assert_never(self.ended)

    @property
    def items(self) -> TickMetrics:
        """What a successful tick counted; nothing otherwise."""
        return self.ended.metrics if isinstance(self.ended, TickAck) else NO_ITEMS


@frozen(kw_only=True)
class TickReport:
    """What a run by hand came to. `deliveries` counts the messages committed; `error` is None after a success."""

    status: Status
    items_seen: int
    items_dispatched: int
    deliveries: int
    error: str | None = None


@frozen(kw_only=True)
class DryRun:
    """What a tick would have done. `cursor_after` equals `cursor_before` where the tick would keep it."""

    status: Status
    items_seen: int
    items_dispatched: int
    outgoing: tuple[Outgoing, ...]
    cursor_before: bytes | None
    cursor_after: bytes | None
    error: str | None = None


@frozen(kw_only=True)
class Rules:
    """How one job answers to what a tick comes to. `luck` (0..1, uniform) spreads retries."""

    spec: JobSpec
    timetable: Timetable
    settings: Settings
    luck: float

    def scheduled(self, claim: Claim, outcome: Outcome) -> Step:
        """After a tick of the schedule."""
        state, now, ended, policy = claim.state, outcome.now, outcome.ended, alert_policy(self.spec, self.settings)
        slot = state.due.slot if state.due else claim.now
        following = self.timetable.after(claim.now)
        match ended:
            case TickAck():
                if ended.next_interval_hint is not None and following is not None:
                    following = self.timetable.hinted(ended.next_interval_hint, now)
                return after_ack(state, ended, now=now, following=following, policy=policy)
            case PermanentError():
                return after_permanent(state, outcome.error, now=now, following=following, policy=policy)
            case TransientError():
                errors, interval = state.consecutive_errors + 1, self.timetable.interval(slot)
                retry_at = now + retry_delay(errors, interval, self.luck, ended.retry_after)
                return after_transient(state, outcome.error, now=now, retry_at=retry_at, policy=policy)
            case HostHeld():
                same_slot_later = Due(slot, now + ended.wait)  # for an `at`, which has no slot to give up
                return after_skip(state, outcome.error, now=now, following=following or same_slot_later)
            case _:
                assert_never(ended)

    def by_hand(self, claim: Claim, outcome: Outcome) -> Step:
        """After a run by hand, which leaves schedule and pause alone (R5)."""
        if isinstance(outcome.ended, TickAck):
            policy = alert_policy(self.spec, self.settings)
            return after_manual_ack(claim.state, outcome.ended, now=outcome.now, policy=policy)
        return after_manual_error(claim.state, outcome.status, outcome.error, now=outcome.now)


def alert_policy(spec: JobSpec, settings: Settings) -> AlertPolicy:
    """When a job raises its failure alert."""
    return AlertPolicy(
        job_id=spec.id,
        kind=spec.kind,
        threshold=settings.breaker_threshold,
        cooldown=settings.failure_alert_cooldown,
        stale_after=spec.stale_after,
    )


def report(outcome: Outcome) -> TickReport:
    """A tick, as told to whoever asked for it."""
    return TickReport(
        status=outcome.status,
        items_seen=outcome.items.items_seen,
        items_dispatched=outcome.items.items_dispatched,
        deliveries=len(outcome.outgoing),
        error=outcome.error or None,
    )


def rehearsal(state: JobState, outcome: Outcome) -> DryRun:
    """A tick on `state` that will not be committed."""
    moved = outcome.ended.next_cursor if isinstance(outcome.ended, TickAck) else None
    return DryRun(
        status=outcome.status,
        items_seen=outcome.items.items_seen,
        items_dispatched=outcome.items.items_dispatched,
        outgoing=outcome.outgoing,
        cursor_before=state.cursor,
        cursor_after=state.cursor if moved is None else moved,
        error=outcome.error or None,
    )


def record(claim: Claim, outcome: Outcome, messages: int) -> TickRecord:
    """The tick as a line of history."""
    return TickRecord(
        fence=claim.lease.fence,
        slot=claim.state.due.slot if claim.state.due else None,
        started_at=claim.now,
        duration=outcome.duration,
        status=outcome.status,
        error=outcome.error or None,
        items_seen=outcome.items.items_seen,
        items_dispatched=outcome.items.items_dispatched,
        messages=messages,
    )
