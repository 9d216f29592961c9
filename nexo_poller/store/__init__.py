"""Durable state, in the words of the design: register, claim, renew, commit, release; outbox, history, dead letters.

Every write is one transaction and can be repeated: after an error a caller may call again with the same values and
gets the answer that the first call would have given (L2). `now` is for tests; otherwise the store says what time it is,
so that all its users share one clock.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol, Self

from attrs import field, frozen

from nexo_poller.broker import Message
from nexo_poller.state import JobState, Status
from nexo_poller.timetable import Timetable

Why = Literal["not-due", "busy", "paused", "fired", "outbox-full"]


@frozen(kw_only=True)
class Registration:
    """A job that is about to run on this store."""

    timetable: Timetable
    paused_on_boot: bool = False


@frozen(kw_only=True)
class ClaimRequest:
    """A wish to run a job. `id` is the caller's own and new for every wish; `max_pending` closes a full outbox."""

    id: str
    timetable: Timetable
    ttl: timedelta
    max_pending: int


@frozen(kw_only=True)
class Lease:
    """The right to write about `key` (a job's id, or the relay) while `fence` is the newest and time is not up."""

    key: str
    holder: str
    fence: int


@frozen(kw_only=True)
class Claim:
    """A lease on a job with what was known of it at `now`. `is_takeover`: somebody else's lease had run out."""

    lease: Lease
    now: datetime
    state: JobState
    is_takeover: bool


@frozen(kw_only=True)
class NotNow:
    """No claim, and why. Look again at `until`; None: when something changes. `skipped`: a slot was given up.

    `slot`: what is due then, if anything is.
    """

    why: Why
    until: datetime | None
    slot: datetime | None = None
    skipped: bool = False


@frozen(kw_only=True)
class TickRecord:
    """A line of a job's history."""

    fence: int
    slot: datetime | None
    started_at: datetime
    duration: timedelta
    status: Status
    error: str | None = None
    items_seen: int = 0
    items_dispatched: int = 0
    messages: int = 0


@frozen(kw_only=True)
class Outgoing:
    """A message on its way into the outbox, or, with an `error`, to the dead letters. Messages of one lane stay in order."""

    message: Message
    lane: str = field(repr=False)  # which has the topic in it
    not_before: datetime | None = None
    error: str | None = None


@frozen(kw_only=True)
class Commit:
    """Everything a tick leaves behind."""

    state: JobState
    tick: TickRecord
    outgoing: Sequence[Outgoing] = ()
    history: int = 100


@frozen
class Alert:
    """What an alert that no tick led to leaves behind: of the state, only what concerns alerts is saved."""

    state: JobState
    outgoing: Sequence[Outgoing] = ()


@frozen(kw_only=True)
class JobRow:
    """What the store knows of a job: its state, who holds its lease until when, and how much waits in its outbox."""

    state: JobState
    fence: int
    holder: str | None
    expires_at: datetime | None
    pending: int


@frozen(kw_only=True)
class LaneHead:
    """A lane with something in it, and when its first message may go (None: at once)."""

    lane: str = field(repr=False)  # which has a topic in it
    not_before: datetime | None


@frozen(kw_only=True)
class Pending:
    """A message in the outbox. `attempts` counts refusals of this very message."""

    seq: int
    job_id: str
    message: Message
    not_before: datetime | None
    created_at: datetime
    attempts: int


@frozen(kw_only=True)
class DeadLetter:
    """A message that was refused too often."""

    seq: int
    job_id: str
    message: Message
    attempts: int
    error: str
    died_at: datetime


@frozen(kw_only=True)
class StoreStatistics:
    """How much waits in the outbox and since when, how much has died, and how many jobs are in which state.

    The states: `running` (as it should), `failing` (errors in a row), `paused`, `fired`; a runner adds `rejected`.
    """

    pending: int
    oldest_pending_at: datetime | None
    dead_letters: int
    jobs: Mapping[str, int]


@frozen
class Batch:
    """Writes that shared a transaction: how many calls, and how long it was from their turn to their answers."""

    calls: int
    duration: timedelta


class Store(Protocol):
    """Open it with `async with`; between two openings it can be opened again.

    *Cancellation.* A write cancelled before it has begun did not happen; once begun, it runs to its answer, and gives it.

    All methods raise `StoreError` when the store does not answer, `StoreRefused` when it never will.
    """

    @property
    def store_id(self) -> str:
        """Random, made with the store, the same for all who share it."""
        ...

    @property
    def holder(self) -> str:
        """Our name on leases, new at every opening."""
        ...

    def observe(self, observer: Callable[[Batch], None]) -> None:
        """Call `observer`, which must not raise, after every batch of writes, from the next opening on.

        It replaces the one given before.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def register(self, jobs: Sequence[Registration], *, now: datetime | None = None) -> Mapping[str, JobState]:
        """Make the rows of new jobs, reschedule those whose schedule has changed (T2), pause those that ask for it.

        Returns the state of every job named.
        """
        ...

    async def claim(self, request: ClaimRequest, *, now: datetime | None = None) -> Claim | NotNow:
        """Take the lease and raise the fence, if the job is due, awake, free and has room in its outbox."""
        ...

    async def seize(self, request: ClaimRequest, *, now: datetime | None = None) -> Claim:
        """Take the lease for a run by hand, whoever holds it and whether due or not.

        Raises `JobRefused` while another run by hand holds it, or while the job's outbox is full.
        """
        ...

    async def renew(self, lease: Lease, ttl: timedelta, *, now: datetime | None = None) -> None:
        """Extend the lease to `ttl` from now. Raises `LeaseLost`."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease back, the slot still due. Does nothing if it is no longer ours."""
        ...

    async def commit(self, claim: Claim, commit: Commit, *, now: datetime | None = None) -> None:
        """Save the tick, whole, and release. Raises `LeaseLost`, and then nothing was saved."""
        ...

    async def alert(self, job_id: str, fence: int, alert: Alert, *, now: datetime | None = None) -> None:
        """Save an alert and raise the fence. Raises `LeaseLost` if the job was claimed since `fence`, or is held."""
        ...

    async def pause(self, job_id: str, reason: str) -> bool:
        """Pause a job; whether it was awake. One that is paused already keeps its reason."""
        ...

    async def resume(self, job_id: str, *, now: datetime | None = None) -> bool:
        """Wake a job; whether it was paused. Raises `JobRefused` for one that has fired (T8)."""
        ...

    async def reset(self, timetable: Timetable, *, now: datetime | None = None) -> None:
        """Clear cursor and errors, unpause, rearm, and fence a running tick out."""
        ...

    async def set_cursor(self, job_id: str, cursor: bytes | None) -> None:
        """Give a paused job another cursor, and fence a running tick out. Raises `JobRefused` unless it is paused."""
        ...

    async def jobs(self) -> Mapping[str, JobRow]:
        """Every job that the store has ever seen."""
        ...

    async def history(self, job_id: str, limit: int) -> list[TickRecord]:
        """The latest ticks, newest first."""
        ...

    async def recent_ticks(self, job_ids: Sequence[str], limit: int) -> Mapping[str, list[TickRecord]]:
        """The latest ticks of each of these jobs, newest first, in one read."""
        ...

    async def bury(self) -> list[str]:
        """End the leases of holders that are known to be dead (L5); returns their keys."""
        ...

    async def change(self) -> int:
        """Wait until another process may have written. Returns a number that rises when sleepers must look again."""
        ...

    async def claim_relay(self, ttl: timedelta, *, now: datetime | None = None) -> Lease | None:
        """The right to relay this store's outbox, or None while another process has it (M2)."""
        ...

    async def lanes(self) -> list[LaneHead]:
        """Every lane that holds a message."""
        ...

    async def pending(self, lane: str, limit: int) -> list[Pending]:
        """The first messages of a lane, in order."""
        ...

    async def delivered(self, lease: Lease, seqs: Sequence[int], *, now: datetime | None = None) -> None:
        """Delete accepted messages. Raises `LeaseLost`."""
        ...

    async def refused(self, lease: Lease, pending: Pending, error: str, *, now: datetime | None = None) -> None:
        """Count an attempt against a message. Raises `LeaseLost`."""
        ...

    async def dead(self, lease: Lease, pending: Pending, error: str, *, now: datetime | None = None) -> None:
        """Make a message a dead letter: out of the outbox, so that the queue goes on. Raises `LeaseLost`."""
        ...

    async def waiting(self, limit: int, after: int = 0, job_id: str | None = None) -> list[Pending]:
        """What is in the outbox beyond the number `after`, of all jobs or of one, in the order of commit."""
        ...

    async def dead_letters(self, limit: int = 100, after: int = 0, job_id: str | None = None) -> list[DeadLetter]:
        """Dead letters beyond the number `after`, of all jobs or of one, oldest first."""
        ...

    async def replay(self, seq: int, *, now: datetime | None = None) -> None:
        """Put a dead letter back into its lane, behind what waits there, with its id. Raises `DeadLetterUnknown`."""
        ...

    async def discard(self, seq: int) -> None:
        """Delete a dead letter. Raises `DeadLetterUnknown`."""
        ...

    async def discard_all(self) -> int:
        """Delete all dead letters; returns how many."""
        ...

    async def statistics(self, jobs: Collection[str]) -> StoreStatistics:
        """How much there is, and in which states these jobs are."""
        ...
