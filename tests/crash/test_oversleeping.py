"""A process that was stopped for longer than its lease lasts finds that its tick has come to nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import trio
from children import Child, child
from lease_holder import JOB, claimed, work
from numbered_source import Hold, Receiver, one_number, world

from nexo_poller import SqliteStore
from nexo_poller.store import Claim

HOUR = timedelta(hours=1)
A_LITTLE = timedelta(milliseconds=50)  # by which a sleep may be short in wall time


@asynccontextmanager
async def frozen_holder(db: Path, store: SqliteStore) -> AsyncIterator[Child]:
    """A process that has claimed the job, for a second, and is stopped until after that."""
    async with child("lease_holder.py", {"db": str(db), "ttl_secs": 1}, folder=db.parent) as holder:
        await holder.heard("claimed")
        holder.freeze()
        end = (await store.jobs())[JOB].expires_at
        assert end is not None
        await trio.sleep(max(0, (end + A_LITTLE - datetime.now(UTC)).total_seconds()))
        yield holder


async def test_overslept_and_taken_over_it_commits_nothing(tmp_path: Path) -> None:
    db = tmp_path / "poller.db"
    async with SqliteStore(db) as store, frozen_holder(db, store) as holder:
        claim = await claimed(store, ttl=HOUR)
        assert isinstance(claim, Claim)
        await store.commit(claim, work(claim, "ours"))
        holder.thaw()
        await holder.tell("commit")
        await holder.heard("lost")
        assert (await store.jobs())[JOB].state.cursor == b"ours"
        assert [pending.message.id for pending in await store.pending(f"{JOB}/t", 10)] == ["ours"]
        assert [tick.error for tick in await store.history(JOB, 10)] == ["ours"]


async def test_overslept_it_commits_nothing_though_nobody_came(tmp_path: Path) -> None:
    db = tmp_path / "poller.db"
    async with SqliteStore(db) as store, frozen_holder(db, store) as holder:
        holder.thaw()
        await holder.tell("commit")
        await holder.heard("lost")
        assert (await store.jobs())[JOB].state.cursor is None
        assert await store.lanes() == []
        assert await store.history(JOB, 10) == []


async def test_a_daemon_stopped_in_mid_tick_for_longer_than_its_lease_commits_nothing(
    tmp_path: Path, full: bool
) -> None:
    db, receiver = tmp_path / "poller.db", Receiver()
    held, quick = one_number(Hold("asked")), one_number(Hold())
    lease = {} if full else {"lease_secs": 2}  # by the rules it lasts 30 s
    async with world(held, receiver) as server:
        server.routes["/other/numbers"] = quick.numbers
        told = {
            "db": str(db),
            "jobs": ["numbers"],
            "every_ms": 500,
            "source": server.url(""),
            "inbox": server.url("/inbox"),
            **lease,
        }
        run = partial(child, "numbers_daemon.py", folder=tmp_path)
        async with run(told) as sleeper:
            await held.hold.reached.wait()
            async with run({**told, "source": server.url("/other")}) as heir:
                await heir.heard("ready")
                sleeper.freeze()
                with trio.fail_after(60):
                    await receiver.has(["numbers 1"])
                held.hold.released.set()  # so that it finds its answer when it wakes
                sleeper.thaw()
                await sleeper.heard("job 'numbers': the lease with fence 1 is no longer ours")
                await sleeper.stop()
                await heir.stop()
    async with SqliteStore(db) as store:
        ticks = await store.history("numbers", 1000)
        assert [tick.messages for tick in reversed(ticks)] == [1, *[0] * (len(ticks) - 1)]
        assert all(tick.fence > 1 for tick in ticks)
        assert await store.lanes() == []
    assert [arrival.text for arrival in receiver.arrivals] == ["numbers 1"]
