"""The outbox, on a connection that is in a transaction (deletes) or not (reads). Deletes name the relay's fence (M2)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import apsw

from nexo_poller.errors import DeadLetterUnknown, LeaseLost
from nexo_poller.store import DeadLetter, LaneHead, Lease, Outgoing, Pending
from nexo_poller.store.rows import PENDING_COLUMNS, dead_letter_from_row, from_ms, pending_from_row, to_ms

RELAY = ":relay"  # no job can be called so
MAX_DEAD_LETTERS = 10_000

HOLDS_RELAY = "SELECT 1 FROM poll_lease WHERE job_id = ? AND holder = ? AND fence = ? AND expires_at > ?"
# Jumps from lane to lane through the index, however much waits in each.
LANES = """
    WITH RECURSIVE head (lane) AS (
        SELECT min(lane) FROM poll_outbox
        UNION ALL
        SELECT (SELECT min(lane) FROM poll_outbox WHERE lane > head.lane) FROM head WHERE head.lane IS NOT NULL
    )
    SELECT lane, (SELECT not_before FROM poll_outbox WHERE lane = head.lane ORDER BY seq LIMIT 1)
    FROM head WHERE lane IS NOT NULL
"""
PENDING = f"SELECT {PENDING_COLUMNS} FROM poll_outbox WHERE lane = ? ORDER BY seq LIMIT ?"
ADD_MESSAGE = """
    INSERT INTO poll_outbox (id, job_id, lane, topic, body, not_before, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
DELETE = "DELETE FROM poll_outbox WHERE seq = ?"
COUNT_ATTEMPT = "UPDATE poll_outbox SET attempts = ?, last_error = ? WHERE seq = ?"
BURY_LETTER = """
    INSERT OR IGNORE INTO poll_dead_letter (seq, id, job_id, topic, body, attempts, error, died_at, lane)
    SELECT seq, id, job_id, topic, body, ?, ?, ?, lane FROM poll_outbox WHERE seq = ?
"""
TRIM_DEAD_LETTERS = """
    DELETE FROM poll_dead_letter WHERE seq <= (SELECT seq FROM poll_dead_letter ORDER BY seq DESC LIMIT 1 OFFSET ?)
"""
DEAD_LETTERS = """
    SELECT seq, id, job_id, topic, body, attempts, error, died_at FROM poll_dead_letter
    WHERE seq > ? AND (?2 IS NULL OR job_id = ?2) ORDER BY seq LIMIT ?
"""
WAITING = (
    f"SELECT {PENDING_COLUMNS} FROM poll_outbox WHERE seq > ? AND (?2 IS NULL OR job_id = ?2) ORDER BY seq LIMIT ?"
)
REPLAY = """
    INSERT INTO poll_outbox (id, job_id, lane, topic, body, created_at)
    SELECT id, job_id, lane, topic, body, ? FROM poll_dead_letter WHERE seq = ?
"""
DISCARD = "DELETE FROM poll_dead_letter WHERE seq = ?"
DISCARD_ALL = "DELETE FROM poll_dead_letter"


def add_messages(db: apsw.Connection, job_id: str, messages: Sequence[Outgoing], now: datetime) -> None:
    """Put what a commit sends into the outbox, and what is not to be sent among the dead letters."""
    living = [_row(job_id, outgoing, now) for outgoing in messages if outgoing.error is None]
    if living:
        db.executemany(ADD_MESSAGE, living)
    for outgoing in messages:
        if outgoing.error is not None:
            db.execute(ADD_MESSAGE, _row(job_id, outgoing, now))
            _bury(db, db.last_insert_rowid(), 0, outgoing.error, now)


def lanes(db: apsw.Connection) -> list[LaneHead]:
    """`Store.lanes`."""
    return [LaneHead(lane=lane, not_before=from_ms(not_before)) for lane, not_before in db.execute(LANES)]


def pending(db: apsw.Connection, lane: str, limit: int) -> list[Pending]:
    """`Store.pending`."""
    return [pending_from_row(row) for row in db.execute(PENDING, (lane, limit))]


def delivered(db: apsw.Connection, lease: Lease, seqs: Sequence[int], now: datetime) -> None:
    """`Store.delivered`."""
    _check(db, lease, now)
    db.executemany(DELETE, [(seq,) for seq in seqs])


def refused(db: apsw.Connection, lease: Lease, pending: Pending, error: str, now: datetime) -> None:
    """`Store.refused`. Sets the count rather than adding to it, so that it may be repeated."""
    _check(db, lease, now)
    db.execute(COUNT_ATTEMPT, (pending.attempts + 1, error, pending.seq))


def dead(db: apsw.Connection, lease: Lease, pending: Pending, error: str, now: datetime) -> None:
    """`Store.dead`."""
    _check(db, lease, now)
    _bury(db, pending.seq, pending.attempts + 1, error, now)


def waiting(db: apsw.Connection, limit: int, after: int, job_id: str | None) -> list[Pending]:
    """`Store.waiting`."""
    return [pending_from_row(row) for row in db.execute(WAITING, (after, job_id, limit))]


def dead_letters(db: apsw.Connection, limit: int, after: int, job_id: str | None) -> list[DeadLetter]:
    """`Store.dead_letters`."""
    return [dead_letter_from_row(row) for row in db.execute(DEAD_LETTERS, (after, job_id, limit))]


def replay(db: apsw.Connection, seq: int, now: datetime) -> None:
    """`Store.replay`."""
    db.execute(REPLAY, (to_ms(now), seq))
    discard(db, seq)


def discard(db: apsw.Connection, seq: int) -> None:
    """`Store.discard`."""
    db.execute(DISCARD, (seq,))
    if db.changes() == 0:
        raise DeadLetterUnknown(seq)


def discard_all(db: apsw.Connection) -> int:
    """`Store.discard_all`."""
    db.execute(DISCARD_ALL)
    return db.changes()


def _bury(db: apsw.Connection, seq: int, attempts: int, error: str, now: datetime) -> None:
    db.execute(BURY_LETTER, (attempts, error, to_ms(now), seq))
    db.execute(DELETE, (seq,))
    db.execute(TRIM_DEAD_LETTERS, (MAX_DEAD_LETTERS,))


def _row(job_id: str, outgoing: Outgoing, now: datetime) -> tuple[Any, ...]:
    message = outgoing.message
    not_before, created_at = to_ms(outgoing.not_before), to_ms(now)
    return (message.id, job_id, outgoing.lane, message.topic, message.body, not_before, created_at)


def _check(db: apsw.Connection, lease: Lease, now: datetime) -> None:
    if db.execute(HOLDS_RELAY, (lease.key, lease.holder, lease.fence, to_ms(now))).get is None:
        raise LeaseLost(lease.key, lease.fence)
