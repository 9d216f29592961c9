"""Builders with defaults, so that a store test shows only what matters to it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from attrs import evolve

from nexo_poller.broker import Message
from nexo_poller.schedule import At, Cron, Every
from nexo_poller.state import JobState
from nexo_poller.store import Claim, ClaimRequest, Commit, Outgoing, Registration, Store, TickRecord
from nexo_poller.timetable import Due, Misfire, Timetable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
numbers: Iterator[int] = count()


def timetable(job_id: str = "inbox", schedule: Every | Cron | At | None = None, misfire: Misfire = "run") -> Timetable:
    schedule = (schedule or Every(MINUTE)).anchored(NOON)
    return Timetable(job_id=job_id, schedule=schedule, jitter=timedelta(), misfire=misfire)


def registration(job_id: str = "inbox", schedule: Every | Cron | At | None = None) -> Registration:
    return Registration(timetable=timetable(job_id, schedule))


def request(
    job_id: str = "inbox",
    schedule: Every | Cron | At | None = None,
    *,
    misfire: Misfire = "run",
    ttl: timedelta = MINUTE,
    max_pending: int = 1000,
) -> ClaimRequest:
    table = timetable(job_id, schedule, misfire)
    return ClaimRequest(id=f"claim-{next(numbers)}", timetable=table, ttl=ttl, max_pending=max_pending)


async def claimed(store: Store, job_id: str = "inbox", *, now: datetime = NOON) -> Claim:
    claim = await store.claim(request(job_id), now=now)
    assert isinstance(claim, Claim)
    return claim


def moved_on(claim: Claim, **changes: Any) -> JobState:
    """The state one minute later."""
    slot = claim.now + MINUTE
    return evolve(claim.state, due=Due(slot, slot), ticks_total=claim.state.ticks_total + 1, **changes)


def commit(claim: Claim, *outgoing: Outgoing, history: int = 100, **changes: Any) -> Commit:
    tick = TickRecord(
        fence=claim.lease.fence,
        slot=claim.state.due.slot if claim.state.due else None,
        started_at=claim.now,
        duration=timedelta(milliseconds=12),
        status="ok",
    )
    return Commit(state=moved_on(claim, **changes), tick=tick, outgoing=outgoing, history=history)


def outgoing(
    body: bytes = b"{}", *, lane: str = "inbox/t", not_before: datetime | None = None, error: str | None = None
) -> Outgoing:
    message = Message(id=str(uuid4()), topic=lane.partition("/")[2], body=body)
    return Outgoing(message=message, lane=lane, not_before=not_before, error=error)


async def bodies(store: Store, lane: str = "inbox/t") -> Sequence[bytes]:
    return [pending.message.body for pending in await store.pending(lane, 1000)]
