"""Claims, renewals, commits: what must happen inside one transaction, on a connection that is in one.

Theory of operation. A lease is a row that names its holder, a fence that rises with every claim, and an end. Whoever
wants to write about a job names holder and fence in the WHERE of the first statement, before anything else is written;
no row changed means that the lease is over, and nothing happens. What can go wrong:

- The process dies holding a lease: the row ends by time, or at once if its death can be proved (`holders`). Slot and
  cursor are untouched, so the next claim repeats the tick from where the last commit left it.
- The process sleeps through the end of its lease: `expires_at` is compared with the store's clock in every write, so
  it cannot commit even if nobody else came (L3).
- Nobody knows whether a claim or a commit was saved: the caller repeats it. A claim is recognised by the claimer's own
  id, a commit by its fence (L2).

The decision what to do with a claim is made from values, in `decide`; the functions around it read and write rows.
"""

from datetime import datetime, timedelta
from typing import Any, assert_never

import apsw
from attrs import evolve, frozen

from nexo_poller.errors import JobRefused, JobUnknown, LeaseLost
from nexo_poller.schedule import At
from nexo_poller.state import FIRED, JobState, after_reset
from nexo_poller.store import Alert, Claim, ClaimRequest, Commit, JobRow, Lease, NotNow, Registration, Why
from nexo_poller.store.outbox import add_messages
from nexo_poller.store.rows import STATE_COLUMNS, from_ms, state_from_row, state_to_row, to_ms
from nexo_poller.timetable import Due, Timetable

LOOK_AGAIN = timedelta(seconds=5)

READ_JOB = f"""
    SELECT fence, holder, claim_id, is_manual, expires_at, {STATE_COLUMNS}
    FROM poll_state JOIN poll_lease USING (job_id) WHERE job_id = ?
"""
READ_ALL = f"""
    SELECT s.job_id, fence, holder, expires_at,
           (SELECT count(*) FROM poll_outbox WHERE lane > s.job_id || '/' AND lane < s.job_id || '0'), {STATE_COLUMNS}
    FROM poll_state AS s JOIN poll_lease USING (job_id)
"""
TAKE = """
    INSERT INTO poll_lease (job_id, fence, holder, claim_id, is_manual, expires_at) VALUES (?, 1, ?, ?, ?, ?)
    ON CONFLICT (job_id) DO UPDATE SET
        fence = fence + 1, holder = excluded.holder, claim_id = excluded.claim_id,
        is_manual = excluded.is_manual, expires_at = excluded.expires_at
    RETURNING fence
"""
RENEW = "UPDATE poll_lease SET expires_at = ? WHERE job_id = ? AND holder = ? AND fence = ? AND expires_at > ?"
RELEASE = "UPDATE poll_lease SET holder = NULL, claim_id = NULL WHERE job_id = ? AND holder = ? AND fence = ?"
RELEASE_ALL = "UPDATE poll_lease SET holder = NULL, claim_id = NULL WHERE holder = ?"
COMMIT_LEASE = """
    UPDATE poll_lease SET holder = NULL, claim_id = NULL, last_committed_fence = fence
    WHERE job_id = ? AND holder = ? AND fence = ? AND expires_at > ? RETURNING is_manual
"""
LAST_COMMITTED = "SELECT last_committed_fence FROM poll_lease WHERE job_id = ?"
FENCE_OUT = "UPDATE poll_lease SET fence = fence + 1, holder = NULL, claim_id = NULL WHERE job_id = ?"
FENCE_OUT_IF_FREE = """
    UPDATE poll_lease SET fence = fence + 1 WHERE job_id = ? AND fence = ? AND (holder IS NULL OR expires_at <= ?)
"""
BURY = "UPDATE poll_lease SET expires_at = 0 WHERE holder = ? AND expires_at > 0 RETURNING job_id"
# A pause that came during the tick stays; a tick may add one. That the job has fired outranks both (T8).
PAUSE_AFTER_TICK = f"iif(?5 = '{FIRED}', ?5, coalesce(pause_reason, ?5))"
SAVE_STATE = f"""
    UPDATE poll_state SET
        created_at = ?, slot = ?, next_run_at = ?, is_retry = ?, pause_reason = {PAUSE_AFTER_TICK}, cursor = ?,
        consecutive_errors = ?, failing_since = ?, alerts_sent = ?, last_failure_alert_at = ?, last_run_at = ?,
        last_success_at = ?, last_status = ?, last_error = ?, items_seen_total = ?, items_dispatched_total = ?,
        ticks_total = ?
    WHERE job_id = ?
"""
MOVE_ON = "UPDATE poll_state SET slot = ?, next_run_at = ?, is_retry = 0, pause_reason = ? WHERE job_id = ?"
ADD_TICK = "INSERT INTO poll_tick VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
TRIM_HISTORY = "DELETE FROM poll_tick WHERE job_id = ? AND n <= ?"
# Alerts have lanes of their own ('!'), which never fill an outbox: '/' is followed by '0' in ASCII.
HAS_PENDING = "SELECT 1 FROM poll_outbox WHERE lane > ? || '/' AND lane < ? || '0' LIMIT 1 OFFSET ?"
READ_SCHEDULE = "SELECT schedule FROM poll_state WHERE job_id = ?"
ADD_STATE = "INSERT INTO poll_state (job_id, schedule, created_at) VALUES (?, ?, ?)"
ADD_LEASE = "INSERT OR IGNORE INTO poll_lease (job_id, fence) VALUES (?, 0)"
RESCHEDULE = """
    UPDATE poll_state SET schedule = ?, slot = ?, next_run_at = ?, is_retry = 0, pause_reason = ? WHERE job_id = ?
"""
PAUSE = "UPDATE poll_state SET pause_reason = coalesce(pause_reason, ?) WHERE job_id = ?"
RESUME = "UPDATE poll_state SET pause_reason = NULL WHERE job_id = ?"
STAY_AWAKE = "UPDATE poll_state SET awake_since = ? WHERE job_id = ?"
SAVE_ALERT = "UPDATE poll_state SET failing_since = ?, alerts_sent = ?, last_failure_alert_at = ? WHERE job_id = ?"
SET_CURSOR = "UPDATE poll_state SET cursor = ? WHERE job_id = ?"
UNPAUSE_AND_SAVE = SAVE_STATE.replace(PAUSE_AFTER_TICK, "?")
NEW_GENERATION = "UPDATE poll_meta SET generation = generation + 1"


@frozen
class LeaseRow:
    """A lease as it stands in the table."""

    fence: int
    holder: str | None
    claim_id: str | None
    is_manual: bool
    expires_at: datetime | None

    def is_held(self, now: datetime) -> bool:
        """Whether somebody has it at `now`."""
        return self.holder is not None and self.expires_at is not None and self.expires_at > now


@frozen
class _GiveUp:
    """The slot passes without a tick; `following` is due instead."""

    following: Due | None


def decide(state: JobState, lease: LeaseRow, timetable: Timetable, now: datetime) -> _GiveUp | NotNow | None:
    """What keeps a claim at `now` from being granted, but for the outbox; None: nothing does."""
    if state.due is None:
        return NotNow(why="fired", until=None)
    if state.pause_reason is not None:
        return NotNow(why="paused", until=None)
    if state.due.at > now:
        return NotNow(why="not-due", until=state.due.at, slot=state.due.slot)
    if lease.is_held(now) and lease.expires_at is not None:
        return NotNow(why="busy", until=min(lease.expires_at, now + LOOK_AGAIN), slot=state.due.slot, skipped=True)
    if timetable.misfire == "skip" and not state.is_retry and timetable.is_overdue(state.due.slot, now):
        return _GiveUp(timetable.after(now))
    return None


def claim(db: apsw.Connection, holder: str, request: ClaimRequest, now: datetime) -> Claim | NotNow:
    """`Store.claim`."""
    job_id = request.timetable.job_id
    state, lease = _read(db, job_id)
    if lease.holder == holder and lease.claim_id == request.id:
        return Claim(lease=Lease(key=job_id, holder=holder, fence=lease.fence), now=now, state=state, is_takeover=False)
    decision = decide(state, lease, request.timetable, now)
    match decision:
        case NotNow():
            return decision
        case _GiveUp(following):
            return _give_up(db, job_id, following, "not-due")
        case None:
            if not _is_full(db, request):
                return _take(db, holder, request, now, state, lease, is_manual=False)
            if isinstance(request.timetable.schedule, At):  # its only slot cannot be given up
                return NotNow(why="outbox-full", until=now + LOOK_AGAIN)
            return _give_up(db, job_id, request.timetable.after(now), "outbox-full")
        case _:
            assert_never(decision)


def seize(db: apsw.Connection, holder: str, request: ClaimRequest, now: datetime) -> Claim:
    """`Store.seize`."""
    job_id = request.timetable.job_id
    state, lease = _read(db, job_id)
    if lease.holder == holder and lease.claim_id == request.id:
        return Claim(lease=Lease(key=job_id, holder=holder, fence=lease.fence), now=now, state=state, is_takeover=False)
    if lease.is_manual and lease.is_held(now):
        raise JobRefused(job_id, "it is being run by hand already; wait for that run to end")
    if _is_full(db, request):
        raise JobRefused(job_id, "its outbox is full; look at what holds its messages up")
    return evolve(_take(db, holder, request, now, state, lease, is_manual=True), is_takeover=False)


def renew(db: apsw.Connection, lease: Lease, ttl: timedelta, now: datetime) -> None:
    """`Store.renew`."""
    db.execute(RENEW, (to_ms(now + ttl), lease.key, lease.holder, lease.fence, to_ms(now)))
    if db.changes() == 0:
        raise LeaseLost(lease.key, lease.fence)


def release(db: apsw.Connection, lease: Lease) -> None:
    """`Store.release`."""
    db.execute(RELEASE, (lease.key, lease.holder, lease.fence))


def commit(db: apsw.Connection, claim: Claim, what: Commit, now: datetime) -> None:
    """`Store.commit`. The lease comes first, so that a lost one writes nothing."""
    lease, job_id = claim.lease, claim.lease.key
    is_manual = db.execute(COMMIT_LEASE, (job_id, lease.holder, lease.fence, to_ms(now))).get
    if is_manual is None:
        if db.execute(LAST_COMMITTED, (job_id,)).get == lease.fence:
            return  # it was saved before, and the caller never heard of it
        raise LeaseLost(job_id, lease.fence)
    state = evolve(what.state, pause_reason=None) if is_manual else what.state  # by hand, no pause is added (R5)
    db.execute(SAVE_STATE, (*state_to_row(state), job_id))
    db.execute(ADD_TICK, _tick_row(job_id, what))
    db.execute(TRIM_HISTORY, (job_id, what.state.ticks_total - what.history))
    add_messages(db, job_id, what.outgoing, now)


def alert(db: apsw.Connection, job_id: str, fence: int, what: Alert, now: datetime) -> None:
    """`Store.alert`. The fence rises, so that of two processes with the same news the second is too late."""
    db.execute(FENCE_OUT_IF_FREE, (job_id, fence, to_ms(now)))
    if db.changes() == 0:
        raise LeaseLost(job_id, fence)
    state = what.state
    db.execute(SAVE_ALERT, (to_ms(state.failing_since), state.alerts_sent, to_ms(state.last_alert_at), job_id))
    add_messages(db, job_id, what.outgoing, now)


def register(db: apsw.Connection, job: Registration, now: datetime) -> JobState:
    """`Store.register`, for one job."""
    timetable = job.timetable
    job_id, fingerprint = timetable.job_id, timetable.schedule.fingerprint
    known = db.execute(READ_SCHEDULE, (job_id,)).get
    if known is None:
        db.execute(ADD_LEASE, (job_id,))
        db.execute(ADD_STATE, (job_id, fingerprint, to_ms(now)))
        _reschedule(db, job_id, fingerprint, timetable.first(now), None)
    elif known != fingerprint:
        state, _ = _read(db, job_id)
        db.execute(FENCE_OUT, (job_id,))  # a tick under way would put the old schedule's slot back
        pause = None if state.due is None else state.pause_reason
        _reschedule(db, job_id, fingerprint, timetable.anchored(state.created_at).rescheduled(now), pause)
        db.execute(STAY_AWAKE, (to_ms(now), job_id))
    state, lease = _read(db, job_id)
    if job.paused_on_boot and not lease.is_held(now):
        db.execute(PAUSE, ("paused_on_boot", job_id))
        state = evolve(state, pause_reason=state.pause_reason or "paused_on_boot")
    return state


def pause(db: apsw.Connection, job_id: str, reason: str) -> bool:
    """`Store.pause`."""
    state, _ = _read(db, job_id)
    if state.pause_reason is not None:
        return False
    db.execute(PAUSE, (reason, job_id))
    db.execute(NEW_GENERATION)
    return True


def resume(db: apsw.Connection, job_id: str, now: datetime) -> bool:
    """`Store.resume`."""
    state, _ = _read(db, job_id)
    if state.due is None:
        raise JobRefused(job_id, "it has fired and has no further slot; reset it, or change its schedule")
    if state.pause_reason is None:
        return False
    db.execute(RESUME, (job_id,))
    db.execute(STAY_AWAKE, (to_ms(now), job_id))
    db.execute(NEW_GENERATION)
    return True


def reset(db: apsw.Connection, timetable: Timetable, now: datetime) -> None:
    """`Store.reset`."""
    state, _ = _read(db, timetable.job_id)
    due = timetable.restarted(now) if state.due is None or state.is_retry else state.due
    db.execute(FENCE_OUT, (timetable.job_id,))
    db.execute(UNPAUSE_AND_SAVE, (*state_to_row(after_reset(state, due=due)), timetable.job_id))
    db.execute(STAY_AWAKE, (to_ms(now), timetable.job_id))
    db.execute(NEW_GENERATION)


def set_cursor(db: apsw.Connection, job_id: str, cursor: bytes | None) -> None:
    """`Store.set_cursor`."""
    state, _ = _read(db, job_id)
    if state.pause_reason is None:
        raise JobRefused(job_id, "it is not paused, and its next tick could overwrite the cursor; pause it first")
    db.execute(FENCE_OUT, (job_id,))
    db.execute(SET_CURSOR, (cursor, job_id))
    db.execute(NEW_GENERATION)


def bury(db: apsw.Connection, holder: str) -> list[str]:
    """End all leases of a dead holder; they stay marked as its own, so that the next claim counts as a takeover."""
    return [key for (key,) in db.execute(BURY, (holder,))]


def release_all(db: apsw.Connection, holder: str) -> None:
    """Give back whatever the holder still has, as it leaves."""
    db.execute(RELEASE_ALL, (holder,))


def take_relay(db: apsw.Connection, holder: str, key: str, ttl: timedelta, now: datetime) -> Lease | None:
    """A lease that is bound to no job; the same one again, for another `ttl`, for its own holder."""
    row = db.execute("SELECT fence, holder, expires_at FROM poll_lease WHERE job_id = ?", (key,)).fetchone()
    if row is not None:
        lease = LeaseRow(row[0], row[1], None, is_manual=False, expires_at=from_ms(row[2]))
        if lease.is_held(now) and lease.holder != holder:
            return None
        if lease.is_held(now):
            again = Lease(key=key, holder=holder, fence=lease.fence)
            renew(db, again, ttl, now)
            return again
    fence = db.execute(TAKE, (key, holder, None, 0, to_ms(now + ttl))).get
    return Lease(key=key, holder=holder, fence=fence)


def all_jobs(db: apsw.Connection) -> dict[str, JobRow]:
    """`Store.jobs`."""
    return {
        job_id: JobRow(
            state=state_from_row(tuple(state)),
            fence=fence,
            holder=holder,
            expires_at=from_ms(expires_at) if holder else None,
            pending=pending,
        )
        for job_id, fence, holder, expires_at, pending, *state in db.execute(READ_ALL)
    }


def _read(db: apsw.Connection, job_id: str) -> tuple[JobState, LeaseRow]:
    row = db.execute(READ_JOB, (job_id,)).fetchone()
    if row is None:
        raise JobUnknown(job_id)
    fence, holder, claim_id, is_manual, expires_at = row[:5]
    return state_from_row(row[5:]), LeaseRow(fence, holder, claim_id, bool(is_manual), from_ms(expires_at))


def _is_full(db: apsw.Connection, request: ClaimRequest) -> bool:
    job_id = request.timetable.job_id
    return db.execute(HAS_PENDING, (job_id, job_id, request.max_pending - 1)).get is not None


def _take(  # noqa: PLR0913, PLR0917 - what was read is not read again
    db: apsw.Connection,
    holder: str,
    request: ClaimRequest,
    now: datetime,
    state: JobState,
    lease: LeaseRow,
    *,
    is_manual: bool,
) -> Claim:
    job_id = request.timetable.job_id
    fence = db.execute(TAKE, (job_id, holder, request.id, is_manual, to_ms(now + request.ttl))).get
    ours = Lease(key=job_id, holder=holder, fence=fence)
    return Claim(lease=ours, now=now, state=state, is_takeover=lease.holder is not None)


def _give_up(db: apsw.Connection, job_id: str, following: Due | None, why: Why) -> NotNow:
    due = (None, None, FIRED) if following is None else (to_ms(following.slot), to_ms(following.at), None)
    db.execute(MOVE_ON, (*due, job_id))
    until, slot = (following.at, following.slot) if following else (None, None)
    return NotNow(why=why, until=until, slot=slot, skipped=True)


def _reschedule(db: apsw.Connection, job_id: str, fingerprint: str, due: Due | None, pause_reason: str | None) -> None:
    when = (to_ms(due.slot), to_ms(due.at), pause_reason) if due else (None, None, FIRED)
    db.execute(RESCHEDULE, (fingerprint, *when, job_id))
    db.execute(NEW_GENERATION)


def _tick_row(job_id: str, what: Commit) -> tuple[Any, ...]:
    tick = what.tick
    return (
        job_id,
        what.state.ticks_total,
        tick.fence,
        to_ms(tick.slot),
        to_ms(tick.started_at),
        tick.duration // timedelta(milliseconds=1),
        tick.status,
        tick.error,
        tick.items_seen,
        tick.items_dispatched,
        tick.messages,
    )
