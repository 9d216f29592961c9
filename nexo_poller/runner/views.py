"""What a runner tells about its jobs."""

from datetime import datetime

from attrs import frozen

from nexo_poller.breaker import Breaker, breaker
from nexo_poller.config.model import JobSpec, RejectedJob
from nexo_poller.errors import Problem
from nexo_poller.state import Status
from nexo_poller.store import JobRow


@frozen(kw_only=True)
class JobView:
    """A job as an operator sees it. A rejected one has `problems` and no state."""

    id: str
    kind: str
    agent: str
    paused: bool = False
    pause_reason: str | None = None
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    last_success_at: datetime | None = None
    last_status: Status | None = None
    last_error: str | None = None
    consecutive_errors: int = 0
    breaker: Breaker = Breaker.CLOSED
    items_seen_total: int = 0
    items_dispatched_total: int = 0
    pending_messages: int = 0
    holder: str | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_rejected(self) -> bool:
        """Whether the job does not run because its configuration is wrong."""
        return bool(self.problems)


def view(spec: JobSpec, row: JobRow | None, *, threshold: int, now: datetime) -> JobView:
    """A job and its row; None: it has never run on this store."""
    if row is None:
        return JobView(id=spec.id, kind=spec.kind, agent=spec.agent)
    state = row.state
    is_due = state.due is not None and state.due.at <= now
    return JobView(
        id=spec.id,
        kind=spec.kind,
        agent=spec.agent,
        paused=state.pause_reason is not None,
        pause_reason=state.pause_reason,
        last_run_at=state.last_run_at,
        next_run_at=state.due.at if state.due else None,
        last_success_at=state.last_success_at,
        last_status=state.last_status,
        last_error=state.last_error,
        consecutive_errors=state.consecutive_errors,
        breaker=breaker(state.consecutive_errors, threshold, due=is_due),
        items_seen_total=state.items_seen_total,
        items_dispatched_total=state.items_dispatched_total,
        pending_messages=row.pending,
        holder=row.holder,
    )


def rejected_view(job: RejectedJob) -> JobView:
    """A job that does not run."""
    return JobView(id=job.id, kind=job.kind, agent=job.agent, problems=job.problems)
