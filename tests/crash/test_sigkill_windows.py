"""Killed at the worst moments, over and over: nothing is lost, nothing is made twice."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

import pytest
import trio
from children import Child, child
from evidence import Evidence, look_at
from numbered_source import Hold, Receiver, Source, account, world

SEED: Final = 20260301
JOBS: Final = ("numbers", "orders")
POINTS: Final = {
    "claim to commit": ("asked", "half answered", "committing"),
    "commit to publish": ("saved", "publishing"),
    "publish to delete": ("posted", "published", "deleting"),
}
MOST_PASSES: Final = 4
LIFE_SECS: Final = 30


def plan(kills: int, chance: Random) -> list[str]:
    """The windows to kill in, in equal shares."""
    windows = [list(POINTS)[n % len(POINTS)] for n in range(kills)]
    chance.shuffle(windows)
    return windows


async def watch(daemon: Child, hold: Hold) -> None:
    """Let what the daemon says of its end be known; fails if it ends by itself."""
    await daemon.heard("at ")
    hold.reached.set()


async def live(daemon: Child, hold: Hold) -> None:
    """Let the daemon live until its end is near, and kill it."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, daemon, hold)
        with trio.fail_after(LIFE_SECS):
            await hold.reached.wait()
        nursery.cancel_scope.cancel()
    await daemon.kill()
    hold.released.set()


def was_in(window: str, evidence: Evidence, received: set[str]) -> bool:
    """Whether the file and the receiver show that the daemon died in this window."""
    match window:
        case "claim to commit":
            return evidence.held > 0
        case "commit to publish":
            return not received.issuperset(evidence.outbox)
        case _:
            return not received.isdisjoint(evidence.outbox)


def check_agreement(evidence: Evidence, source: Source, received: set[str]) -> None:
    """What a cursor is beyond, and nothing else, is with the receiver or in the outbox."""
    assert evidence.integrity == "ok"
    sent = received.union(evidence.outbox)
    for job in JOBS:
        items = source.newest(job)
        assert [item for item in items if evidence.covers(item)] == [item for item in items if item in sent]


async def test_killed_in_every_window_it_loses_nothing_and_makes_nothing_twice(
    tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, least = (200, 20) if full else (25, 3)
    chance, db, hits = Random(SEED), tmp_path / "poller.db", Counter[str]()
    source, receiver = Source(chance=chance), Receiver()
    async with world(source, receiver) as server:
        told = {
            "db": str(db),
            "jobs": JOBS,
            "every_ms": 100,
            "source": server.url(""),
            "inbox": server.url("/inbox"),
        }
        for window in plan(kills, chance):
            point, passes = chance.choice(POINTS[window]), chance.randint(0, MOST_PASSES)
            source.hold = receiver.hold = hold = Hold(point, passes)
            async with child(
                "numbers_daemon.py", {**told, "point": point, "passes": passes}, folder=tmp_path
            ) as daemon:
                await live(daemon, hold)
            evidence = look_at(db)
            check_agreement(evidence, source, receiver.texts())
            hits[window] += was_in(window, evidence, receiver.texts())
        source.is_growing = False
        source.hold = receiver.hold = Hold()
        async with child("numbers_daemon.py", told, folder=tmp_path) as daemon:
            with trio.fail_after(LIFE_SECS):
                await receiver.has([*source.items("numbers"), *source.items("orders")])
            await daemon.stop()
    arrived = account(receiver.arrivals)
    with capsys.disabled():
        print(  # noqa: T201 - what came of chance belongs to the result
            f"\n{kills} kills, seed {SEED}: {dict(hits)}; "
            f"{len(arrived.messages)} messages, {len(arrived.redeliveries)} redelivered"
        )
    assert look_at(db).outbox == []
    for job in JOBS:
        assert arrived.of(job) == source.items(job)
    assert all(hits[window] >= least for window in POINTS), hits
    assert hits["publish to delete"] <= len(arrived.redeliveries) <= len(JOBS) * kills
