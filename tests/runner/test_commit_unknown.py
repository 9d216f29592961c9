"""A database that may or may not have done what it says it failed to do: nothing is lost, and nothing comes twice.

Faults are injected at the connection under the real `SqliteStore`, so that everything above it is as in service: group
commit, the store's own answers to repeated calls (L2), and the patience of jobs and relay.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import apsw
import pytest
import trio
from attrs import Factory, define
from daemon import Script, daemon, job, text
from trio.testing import MockClock

from nexo_poller.config.model import Settings
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.schedule import Every
from nexo_poller.store import leases, outbox
from nexo_poller.testing import VirtualClock

MINUTE = timedelta(minutes=1)
JOBS = [f"job-{n}" for n in range(40)]
CHANCE = 0.05
LONGEST_ROW = 3  # faults in a row: one for the batch, one for the call alone, one for the caller's own next try
WRITES = {leases.TAKE: "claim", leases.RENEW: "heartbeat", leases.COMMIT_LEASE: "commit", outbox.DELETE: "delete"}

Fault = Literal["saved", "undecided", "ended"]
"""What a failed COMMIT has done: everything, nothing yet, or nothing and never will (C2)."""


@define(eq=False)
class Faults:
    """When the writer fails; `hit` counts the operations of the transactions that did."""

    fault: Fault
    luck: random.Random
    chance: float = 0.0
    in_a_row: int = 0
    hit: Counter[str] = Factory(Counter)
    under_way: list[str] = Factory(list)

    def begun(self) -> None:
        self.under_way.clear()

    def saw(self, statement: str, bindings: Sequence[Any]) -> None:
        if statement in WRITES:
            self.under_way.append("relay's lease" if outbox.RELAY in bindings else WRITES[statement])

    def strike(self) -> bool:
        if self.chance and not self.in_a_row and self.luck.random() < self.chance:
            self.in_a_row = self.luck.randint(1, LONGEST_ROW)
        if not self.in_a_row:
            return False
        self.in_a_row -= 1
        self.hit.update(self.under_way)
        return True


class UnsureConnection(apsw.Connection):
    """Fails some of its COMMITs, in the way that `faults` says."""

    faults: ClassVar[Faults]

    def execute(self, statements: str, bindings: Any = None, **more: Any) -> apsw.Cursor:
        if statements == "COMMIT" and self.faults.strike():
            self._fail()
        if statements == "BEGIN IMMEDIATE":
            self.faults.begun()
        self.faults.saw(statements, bindings or ())
        return super().execute(statements, bindings, **more)

    def executemany(self, statements: str, sequenceofbindings: Iterable[Any], **more: Any) -> apsw.Cursor:
        self.faults.saw(statements, ())
        return super().executemany(statements, sequenceofbindings, **more)

    def _fail(self) -> None:
        if self.faults.fault == "undecided":
            raise apsw.BusyError("database is locked")
        if self.faults.fault == "ended":
            super().execute("ROLLBACK")
            raise apsw.FullError("database or disk is full")
        super().execute("COMMIT")
        raise apsw.IOError("disk I/O error")


async def a_few(ctx: PollContext[Any]) -> TickAck:
    """Sends up to three messages, numbered on from the cursor. Every third tick is long enough for a heartbeat."""
    sent = int(ctx.cursor or b"0")
    last = sent + ctx.now.minute % 4
    await trio.sleep(45 if ctx.now.minute % 3 == 0 else 1)
    return TickAck(
        next_cursor=str(last).encode(), deliver=[text(f"{ctx.job_id} {n}") for n in range(sent + 1, last + 1)]
    )


@pytest.mark.parametrize("fault", ["saved", "undecided", "ended"])
async def test_whatever_a_failed_commit_has_done_each_slot_runs_once_and_each_message_arrives_once(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, full: bool, fault: Fault
) -> None:
    ticks = 10_000 if full else 1_200
    slots = ticks // len(JOBS)
    monkeypatch.setattr(UnsureConnection, "faults", Faults(fault, random.Random(20260426)), raising=False)
    monkeypatch.setattr("nexo_poller.store.sqlite.apsw.Connection", UnsureConnection)
    faults = UnsureConnection.faults
    clock, script = VirtualClock(), Script(a_few)
    start = clock.now()
    jobs = [job(job_id, schedule=Every(MINUTE, jitter=timedelta(seconds=9))) for job_id in JOBS]

    async with daemon(
        tmp_path, *jobs, pollers=(script,), clock=clock, settings=Settings(history_per_job=ticks)
    ) as running:
        faults.chance = CHANCE
        await trio.sleep(slots * 60 - 0.5)
        faults.chance = 0.0
        rows = await running.runner.store.jobs()
        histories = {job_id: await running.runner.history(job_id, ticks) for job_id in JOBS}

    print(f"{fault}: {len(script.ran_at)} ticks, {len(running.sent)} messages; faults met by", dict(faults.hit))  # noqa: T201 - the counts
    assert min(faults.hit[operation] for operation in WRITES.values()) >= 20, faults.hit
    assert len(script.ran_at) == slots * len(JOBS)
    arrived = defaultdict(list)
    for message in running.texts():
        job_id, number = message.split()
        arrived[job_id].append(int(number))
    for job_id in JOBS:
        assert [tick.slot for tick in reversed(histories[job_id])] == [start + n * MINUTE for n in range(slots)]
        assert {tick.status for tick in histories[job_id]} == {"ok"}
        assert arrived[job_id] == list(range(1, int(rows[job_id].state.cursor or b"0") + 1))
        assert rows[job_id].state.ticks_total == slots
        assert (rows[job_id].pending, rows[job_id].holder) == (0, None)
        labels = {"kind": "script", "agent": "ana", "job_id": job_id}
        assert running.metric("poller_ticks_total", status="ok", **labels) == slots  # what was saved was also known
        assert running.metric("poller_lease_takeovers_total", job_id=job_id) == 0
