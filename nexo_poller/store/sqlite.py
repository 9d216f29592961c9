"""The embedded store: one SQLite file, shared by any number of processes of one machine."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar, cast

import apsw
import trio
from attrs import frozen

from nexo_poller.clock import Clock, SystemClock
from nexo_poller.errors import StoreError, StoreRefused
from nexo_poller.state import JobState
from nexo_poller.store import (
    Alert,
    Batch,
    Claim,
    ClaimRequest,
    Commit,
    DeadLetter,
    JobRow,
    LaneHead,
    Lease,
    NotNow,
    Pending,
    Registration,
    StoreStatistics,
    TickRecord,
    leases,
    outbox,
    schema,
    statistics,
)
from nexo_poller.store.group_commit import GroupCommit
from nexo_poller.store.holders import Holders, this_machine
from nexo_poller.store.rows import tick_from_row
from nexo_poller.timetable import Timetable

T = TypeVar("T")
BUSY_TIMEOUT: Final = timedelta(seconds=5)
LOOK_FOR_OTHERS: Final = 0.25  # seconds between looks at what other processes wrote
HISTORY: Final = """
    SELECT fence, slot, started_at, duration_ms, status, error, items_seen, items_dispatched, messages
    FROM poll_tick WHERE job_id = ? ORDER BY n DESC LIMIT ?
"""
REMEDIES: Final[Mapping[type[apsw.Error], str]] = {
    apsw.BusyError: "another process keeps it locked",
    apsw.LockedError: "another process keeps it locked",
    apsw.ProtocolError: "other processes keep it locked",
    apsw.FullError: "the disk is full",
    apsw.ReadOnlyError: "it, or its folder, cannot be written; check owner and mode",
    apsw.CantOpenError: "it cannot be opened; check that its folder exists and may be written",
    apsw.IOError: "the disk failed to read or write",
    apsw.PermissionsError: "access is denied; check owner and mode",
}
LOST_CAUSES: Final[Mapping[type[apsw.Error], str]] = {
    apsw.NotADBError: "no SQLite database; point `state_db` at another file",
    apsw.CorruptError: "damaged; restore it from a backup, or move it away to start anew",
}


class SqliteStore:
    """`Store` on a file (created with its folders if missing, readable by its owner only).

    With a virtual clock, SQL runs inline instead of in a thread and nothing is synced: for tests in virtual time.
    `machine` is for tests, which play processes of other machines.
    """

    def __init__(self, path: str | Path, *, clock: Clock | None = None, machine: str | None = None) -> None:
        self.path = Path(path)
        self.store_id = ""
        self._clock = clock or SystemClock()
        self._holders = Holders(self.path.with_name(f"{self.path.name}-holders"), machine or this_machine())
        self._observe: Callable[[Batch], None] = lambda _: None
        self._seen_version = 0
        self._reading = trio.CapacityLimiter(1)
        self._writing = trio.CapacityLimiter(1)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    @property
    def holder(self) -> str:
        """Our name on leases, new at every opening."""
        return self._holders.name

    def observe(self, observer: Callable[[Batch], None]) -> None:
        self._observe = observer

    async def __aenter__(self) -> Self:
        """Open or create the file, and bring it to the present schema."""
        await self._hop(self._open, self._writing)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the file. Only after the last call has returned."""
        with trio.CancelScope(shield=True):  # closes local files; cut short, they would stay locked
            await self._hop(self._close, self._writing)

    async def register(self, jobs: Sequence[Registration], *, now: datetime | None = None) -> Mapping[str, JobState]:
        return await self._write(
            lambda: {job.timetable.job_id: leases.register(self._writer, job, now or self._clock.now()) for job in jobs}
        )

    async def claim(self, request: ClaimRequest, *, now: datetime | None = None) -> Claim | NotNow:
        return await self._write(lambda: leases.claim(self._writer, self.holder, request, now or self._clock.now()))

    async def seize(self, request: ClaimRequest, *, now: datetime | None = None) -> Claim:
        return await self._write(lambda: leases.seize(self._writer, self.holder, request, now or self._clock.now()))

    async def renew(self, lease: Lease, ttl: timedelta, *, now: datetime | None = None) -> None:
        await self._write(lambda: leases.renew(self._writer, lease, ttl, now or self._clock.now()))

    async def release(self, lease: Lease) -> None:
        await self._write(lambda: leases.release(self._writer, lease))

    async def commit(self, claim: Claim, commit: Commit, *, now: datetime | None = None) -> None:
        await self._write(lambda: leases.commit(self._writer, claim, commit, now or self._clock.now()))

    async def alert(self, job_id: str, fence: int, alert: Alert, *, now: datetime | None = None) -> None:
        await self._write(lambda: leases.alert(self._writer, job_id, fence, alert, now or self._clock.now()))

    async def pause(self, job_id: str, reason: str) -> bool:
        return await self._write(lambda: leases.pause(self._writer, job_id, reason))

    async def resume(self, job_id: str, *, now: datetime | None = None) -> bool:
        return await self._write(lambda: leases.resume(self._writer, job_id, now or self._clock.now()))

    async def reset(self, timetable: Timetable, *, now: datetime | None = None) -> None:
        await self._write(lambda: leases.reset(self._writer, timetable, now or self._clock.now()))

    async def set_cursor(self, job_id: str, cursor: bytes | None) -> None:
        await self._write(lambda: leases.set_cursor(self._writer, job_id, cursor))

    async def jobs(self) -> Mapping[str, JobRow]:
        return await self._read(leases.all_jobs)

    async def history(self, job_id: str, limit: int) -> list[TickRecord]:
        return (await self.recent_ticks([job_id], limit))[job_id]

    async def recent_ticks(self, job_ids: Sequence[str], limit: int) -> Mapping[str, list[TickRecord]]:
        def ticks(db: apsw.Connection, job_id: str) -> list[TickRecord]:
            return [tick_from_row(row) for row in db.execute(HISTORY, (job_id, limit))]

        return await self._read(lambda db: {job_id: ticks(db, job_id) for job_id in job_ids})

    async def bury(self) -> list[str]:
        ended: list[str] = []
        for name in await self._hop(self._holders.dead, self._reading):
            ended += await self._write(partial(leases.bury, self._writer, name))
            self._holders.forget(name)
        return ended

    async def change(self) -> int:
        if self._clock.virtual:  # and so nobody else's file
            await trio.sleep_forever()
        while True:
            await trio.sleep(LOOK_FOR_OTHERS)
            generation = await self._read(self._news)
            if generation is not None:
                return generation

    async def claim_relay(self, ttl: timedelta, *, now: datetime | None = None) -> Lease | None:
        return await self._write(
            lambda: leases.take_relay(self._writer, self.holder, outbox.RELAY, ttl, now or self._clock.now())
        )

    async def lanes(self) -> list[LaneHead]:
        return await self._read(outbox.lanes)

    async def pending(self, lane: str, limit: int) -> list[Pending]:
        return await self._read(lambda db: outbox.pending(db, lane, limit))

    async def delivered(self, lease: Lease, seqs: Sequence[int], *, now: datetime | None = None) -> None:
        await self._write(lambda: outbox.delivered(self._writer, lease, seqs, now or self._clock.now()))

    async def refused(self, lease: Lease, pending: Pending, error: str, *, now: datetime | None = None) -> None:
        await self._write(lambda: outbox.refused(self._writer, lease, pending, error, now or self._clock.now()))

    async def dead(self, lease: Lease, pending: Pending, error: str, *, now: datetime | None = None) -> None:
        await self._write(lambda: outbox.dead(self._writer, lease, pending, error, now or self._clock.now()))

    async def waiting(self, limit: int, after: int = 0, job_id: str | None = None) -> list[Pending]:
        return await self._read(lambda db: outbox.waiting(db, limit, after, job_id))

    async def dead_letters(self, limit: int = 100, after: int = 0, job_id: str | None = None) -> list[DeadLetter]:
        return await self._read(lambda db: outbox.dead_letters(db, limit, after, job_id))

    async def replay(self, seq: int, *, now: datetime | None = None) -> None:
        await self._write(lambda: outbox.replay(self._writer, seq, now or self._clock.now()))

    async def discard(self, seq: int) -> None:
        await self._write(lambda: outbox.discard(self._writer, seq))

    async def discard_all(self) -> int:
        return await self._write(lambda: outbox.discard_all(self._writer))

    async def statistics(self, jobs: Collection[str]) -> StoreStatistics:
        return await self._read(lambda db: statistics.statistics(db, jobs))

    async def _write(self, run: Callable[[], T]) -> T:
        try:
            return await self._group(run)
        except apsw.Error as error:
            raise explained(error, self.path) from error

    async def _read(self, run: Callable[[apsw.Connection], T]) -> T:
        try:
            return await self._hop(lambda: run(self._reader), self._reading)
        except apsw.Error as error:
            raise explained(error, self.path) from error

    async def _hop(self, run: Callable[[], T], limiter: trio.CapacityLimiter) -> T:
        if self._clock.virtual:
            await trio.lowlevel.checkpoint()
            return run()
        return await trio.to_thread.run_sync(run, limiter=limiter)

    def _news(self, db: apsw.Connection) -> int | None:
        version = db.pragma("data_version")
        if version == self._seen_version:
            return None
        self._seen_version = version
        return cast("int", db.execute("SELECT generation FROM poll_meta").get)

    def _open(self) -> None:
        schema.refuse_old_library()
        try:
            self._connect_and_join()
        except (apsw.Error, OSError) as error:
            raise explained(error, self.path) from error

    def _connect_and_join(self) -> None:
        with ExitStack() as undo:
            _create(self.path)
            self._writer = undo.enter_context(closing(self._connect()))
            schema.refuse_foreign(self._writer, self.path)
            self._writer.pragma("journal_mode", "WAL")
            self._writer.pragma("synchronous", "OFF" if self._clock.virtual else "FULL")
            schema.migrate(self._writer)
            self._reader = undo.enter_context(closing(self._connect()))
            self._reader.pragma("query_only", "ON")
            self.store_id = cast("str", self._reader.execute("SELECT store_id FROM poll_meta").get)
            self._seen_version = cast("int", self._reader.pragma("data_version"))
            self._group = GroupCommit(WriteTransactions(self._writer), self._hop_to_write, self._observe)
            self._holders.join()
            undo.pop_all()

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self.path))
        connection.set_busy_timeout(BUSY_TIMEOUT // timedelta(milliseconds=1))
        return connection

    async def _hop_to_write(self, run: Callable[[], None]) -> None:
        await self._hop(run, self._writing)

    def _close(self) -> None:
        with suppress(apsw.Error):  # what is not given back here ends as the leases of the dead do
            leases.release_all(self._writer, self.holder)
            self._holders.forget(self.holder)
        self._holders.leave()
        self._reader.close()
        self._writer.close()


@frozen
class WriteTransactions:
    """Write transactions of a connection."""

    db: apsw.Connection

    def begin(self) -> None:
        """Take the file's write lock, waiting `BUSY_TIMEOUT` for it."""
        self.db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Returns when the disk has it."""
        self.db.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo, unless SQLite has ended the transaction by itself, as it does when the disk is full (C2)."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")


def explained(error: apsw.Error | OSError, path: Path) -> Exception:
    """What a user can mend as `StoreError` or `StoreRefused`; anything else is a bug, and stays what it is."""
    if isinstance(error, OSError):
        return StoreError(f"{path}: {error.strerror}; check that its folder exists and may be written")
    for causes, refusal in ((LOST_CAUSES, StoreRefused), (REMEDIES, StoreError)):
        for kind, remedy in causes.items():
            if isinstance(error, kind):
                return refusal(f"{path}: {remedy} (SQLite says: {error})")
    return error


def _create(path: Path) -> None:
    """The file and its folders, for their owner only; SQLite gives -wal and -shm the mode of the file itself."""
    if path.is_dir():
        raise StoreRefused(f"{path}: a folder; `state_db` names a file")
    for folder in reversed(path.absolute().parents):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
