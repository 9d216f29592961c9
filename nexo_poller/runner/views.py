"""What a runner tells about its jobs."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, evolve, frozen

from nexo_poller.breaker import Breaker, breaker
from nexo_poller.config.model import JobSpec, RejectedJob
from nexo_poller.errors import Problem
from nexo_poller.masking import Mask, masked_config
from nexo_poller.poller import Deliver
from nexo_poller.schedule import as_mapping
from nexo_poller.state import Status
from nexo_poller.store import JobRow
from nexo_poller.timetable import Misfire


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
    stale: bool = False
    items_seen_total: int = 0
    items_dispatched_total: int = 0
    pending_messages: int = 0
    holder: str | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_rejected(self) -> bool:
        """Whether the job does not run because its configuration is wrong."""
        return bool(self.problems)


@frozen(kw_only=True)
class JobDetails:
    """One job in full. A rejected one has little beside the problems in its `view`.

    `config` and `extra` are masked. `schedule` is as the file has it. `cursor_digest` is the first 16 hex digits of the
    cursor's SHA-256; a cursor's own bytes are told by `PollerRunner.cursor` only.
    """

    view: JobView
    config: Mapping[str, Any] = Factory(dict)
    extra: Mapping[str, Any] = Factory(dict)
    schedule: Mapping[str, Any] = Factory(dict)
    jitter: timedelta | None = None
    misfire: Misfire | None = None
    stale_after: timedelta | None = None
    failure_to: Deliver | None = None
    fence: int = 0
    holder: str | None = None
    lease_expires_at: datetime | None = None
    cursor_size: int | None = None
    cursor_digest: str | None = None


def details(view: JobView, spec: JobSpec, row: JobRow | None, *, jitter: timedelta, mask: Mask) -> JobDetails:
    """All of a job; `row` None: it has never run on this store."""
    told = JobDetails(
        view=view,
        config=masked_config(spec.config, mask),
        extra=masked_config(spec.extra, mask),
        schedule=as_mapping(spec.schedule),
        jitter=jitter,
        misfire=spec.misfire,
        stale_after=spec.stale_after,
        failure_to=spec.failure_to,
    )
    if row is None:
        return told
    cursor = row.state.cursor
    return evolve(
        told,
        fence=row.fence,
        holder=row.holder,
        lease_expires_at=row.expires_at,
        cursor_size=None if cursor is None else len(cursor),
        cursor_digest=None if cursor is None else hashlib.sha256(cursor).hexdigest()[:16],
    )


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
        stale=state.is_stale(spec.stale_after, now),
        items_seen_total=state.items_seen_total,
        items_dispatched_total=state.items_dispatched_total,
        pending_messages=row.pending,
        holder=row.holder,
    )


def rejected_view(job: RejectedJob) -> JobView:
    """A job that does not run."""
    return JobView(id=job.id, kind=job.kind, agent=job.agent, problems=job.problems)
