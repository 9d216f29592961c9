"""Several daemons on one database, and one of them always about to be killed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw
import pytest
import trio
from attrs import Factory, define
from children import Child, child
from http_server import http_server
from numbered_source import Arrival, Receiver, account

from nexo_poller import SqliteStore

SEED: Final = 20260301
DAEMONS: Final = 4
JOBS: Final = tuple(f"job{n:02}" for n in range(50))
SECONDS_BETWEEN_KILLS: Final = 1.5  # and another half, on average, until the moment is right
TICKS: Final = "SELECT n, slot, started_at, status FROM poll_tick WHERE job_id = ? ORDER BY n"
CREATED: Final = "SELECT created_at FROM poll_state WHERE job_id = ?"


@define(eq=False, kw_only=True)
class Crowd:
    """Daemons that share a database, each with a path of its own to the receiver; the dead are replaced at once."""

    folder: Path
    db: Path
    inbox: Callable[[str], str]
    receiver: Receiver
    living: dict[str, Child] = Factory(dict)
    killed: set[str] = Factory(set)
    _names: Iterator[int] = Factory(count)

    async def join(self, routes: dict[str, Any]) -> None:
        """Live one life after the other, each until it is killed or the test is over."""
        while True:
            sender = f"/inbox/{next(self._names)}"
            routes[sender] = self.receiver.take
            told = {"db": str(self.db), "jobs": JOBS, "inbox": self.inbox(sender)}
            async with child("crowd_daemon.py", told, folder=self.folder) as daemon:
                await daemon.heard("ready")
                self.living[sender] = daemon
                await ended(daemon)
                assert sender in self.killed, daemon.errors.read_text()

    def kill_one(self, chance: Random) -> None:
        """SIGKILL to one of them."""
        sender = chance.choice(sorted(self.living))
        self.killed.add(sender)
        self.living.pop(sender).process.kill()


async def ended(daemon: Child) -> None:
    """Read what it says, until it is dead."""
    while await daemon.line() is not None:
        pass


async def quiet(db: Path) -> None:
    """Pause all jobs, and return when nothing is under way and the outbox is empty."""
    async with SqliteStore(db) as store:
        for job in JOBS:
            await store.pause(job, "the campaign is over")
        while any(
            row.pending or (row.expires_at is not None and row.expires_at > datetime.now(UTC))
            for row in (await store.jobs()).values()
        ):
            await store.change()


async def test_four_processes_commit_each_slot_once_and_deliver_each_message_once_and_in_order(
    tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    slots = 2000 if full else 500
    chance, receiver, db = Random(SEED), Receiver(), tmp_path / "poller.db"
    async with http_server() as server, trio.open_nursery() as nursery:
        crowd = Crowd(folder=tmp_path, db=db, inbox=server.url, receiver=receiver)
        for _ in range(DAEMONS):
            nursery.start_soon(crowd.join, server.routes)
        with trio.fail_after(4 * slots / len(JOBS) + 30):
            while len(receiver.texts()) < slots:
                kill_at = trio.current_time() + SECONDS_BETWEEN_KILLS
                while trio.current_time() < kill_at or len(crowd.living) < DAEMONS:
                    await receiver.next_arrival()
                for _ in range(chance.randrange(len(JOBS))):  # so, in the midst of ticks and deliveries
                    await receiver.next_arrival()
                crowd.kill_one(chance)
            await quiet(db)
        nursery.cancel_scope.cancel()
    arrived = account(receiver.arrivals)
    with closing(apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY)) as file:
        assert file.pragma("integrity_check") == "ok"
        ticks: dict[str, list[Any]] = {job: file.execute(TICKS, (job,)).fetchall() for job in JOBS}
        anchors = {job: file.execute(CREATED, (job,)).get for job in JOBS}
    committed = sum(map(len, ticks.values()))
    with capsys.disabled():
        print(  # noqa: T201 - what came of chance belongs to the result
            f"\n{committed} slots, {len(crowd.killed)} kills, seed {SEED}; {len(arrived.redeliveries)} redelivered"
        )
    assert committed >= slots
    for job in JOBS:
        assert all(earlier[1] < later[1] for earlier, later in pairwise(ticks[job]))
        assert all((slot - anchors[job]) % 1000 == 0 for _, slot, _, _ in ticks[job])
        assert {status for *_, status in ticks[job]} == {"ok"}
        assert arrived.of(job) == [f"{job} {n} {started_at}" for n, _, started_at, _ in ticks[job]]
    for senders in posted_by(receiver.arrivals).values():
        assert crowd.killed.issuperset(senders[:-1])  # only a death explains that somebody posts it again
    assert crowd.killed


def posted_by(arrivals: Sequence[Arrival]) -> dict[str, list[str]]:
    """Every message's senders, by its id."""
    senders: dict[str, list[str]] = {}
    for arrival in arrivals:
        senders.setdefault(arrival.id, []).append(arrival.sender)
    return senders
