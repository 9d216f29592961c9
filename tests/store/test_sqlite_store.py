"""The contract, and what is special to a file that processes share."""

import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
from builders import MINUTE, NOON, claimed, commit, outgoing, registration, request
from contract import *  # noqa: F403 - the suite is one list of test classes

from nexo_poller.errors import StoreError, StoreRefused
from nexo_poller.store import Batch, Claim, NotNow, Store
from nexo_poller.store.sqlite import SqliteStore


@pytest.fixture
async def empty_store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "poller.db") as store:
        yield store


@pytest.fixture
def another(tmp_path: Path) -> Another:  # noqa: F405
    return lambda: SqliteStore(tmp_path / "poller.db")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_files_and_new_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "poller.db"
    before = os.umask(0o022)
    try:
        async with SqliteStore(path) as store:
            await store.register([registration()])
            modes = {name: mode(path.with_name(name)) for name in ("poller.db", "poller.db-wal", "poller.db-shm")}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(modes, 0o600)
    assert mode(path.parent) == mode(path.parent.parent) == 0o700


async def test_an_observer_hears_of_every_transaction(tmp_path: Path) -> None:
    batches: list[Batch] = []
    store = SqliteStore(tmp_path / "poller.db")
    store.observe(batches.append)
    async with store:
        await store.register([registration()], now=NOON)
        await claimed(store)
        await store.jobs()
    assert [batch.calls for batch in batches] == [1, 1]
    assert all(batch.duration > timedelta() for batch in batches)


async def test_a_file_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "poller.db"
    async with SqliteStore(path):
        pass
    newer = apsw.Connection(str(path))
    newer.pragma("user_version", 99)
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match=r"newer nexo_poller.*version 99"):
        async with SqliteStore(path):
            pass
    assert path.read_bytes() == before


async def test_another_programs_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE t (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="another program's database"):
        async with SqliteStore(path):
            pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is no database at all, but long enough to be one" * 100])
async def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "poller.db"
    path.write_bytes(content)
    with pytest.raises(StoreRefused, match="no SQLite database"):
        async with SqliteStore(path):
            pass
    assert path.read_bytes() == content


async def test_a_damaged_file_is_a_clear_error_and_never_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "poller.db"
    async with SqliteStore(path) as store:
        await store.register([registration(f"job-{n}") for n in range(2000)], now=NOON)
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreRefused, match="damaged"):
        async with SqliteStore(path) as store:
            await store.jobs()


async def test_a_folder_and_an_impossible_place_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="a folder"):
        async with SqliteStore(tmp_path):
            pass
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        async with SqliteStore(tmp_path / "file" / "poller.db"):
            pass


async def test_a_busy_database_is_an_error_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexo_poller.store.sqlite.BUSY_TIMEOUT", timedelta(milliseconds=10))
    path = tmp_path / "poller.db"
    async with SqliteStore(path) as store:
        await store.register([registration()], now=NOON)
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process keeps it locked"):
            await store.claim(request(), now=NOON)
        other.execute("ROLLBACK")
        other.close()
        assert isinstance(await store.claim(request(), now=NOON), Claim)


async def test_a_full_disk_costs_its_own_caller_only_and_saves_no_half(empty_store: SqliteStore) -> None:
    """SQLite ends the whole transaction when the disk is full (C2); the small call beside it must still be saved."""
    await empty_store.register([registration("big"), registration("small")], now=NOON)
    big, small = await claimed(empty_store, "big"), await claimed(empty_store, "small")
    pages = empty_store._writer.pragma("page_count")
    empty_store._writer.pragma("max_page_count", pages + 4)

    async def commit_big() -> None:
        with pytest.raises(StoreError, match="disk is full"):
            await empty_store.commit(big, commit(big, outgoing(b"x" * 1_000_000, lane="big/t")), now=NOON)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit_big)
        nursery.start_soon(lambda: empty_store.commit(small, commit(small, cursor=b"7"), now=NOON))
    rows = await empty_store.jobs()
    assert rows["small"].state.cursor == b"7"
    assert rows["big"].state == big.state
    assert rows["big"].holder == empty_store.holder
    assert await empty_store.lanes() == []
    empty_store._writer.pragma("max_page_count", 1_000_000)
    await empty_store.commit(big, commit(big, outgoing(lane="big/t")), now=NOON)


async def test_many_writers_share_a_few_transactions(empty_store: SqliteStore) -> None:
    """Ten thousand jobs must cost a few syncs, not ten thousand."""
    jobs = [f"job-{n}" for n in range(300)]
    await empty_store.register([registration(job) for job in jobs], now=NOON)
    commits = 0

    def hook() -> bool:
        nonlocal commits
        commits += 1
        return False

    empty_store._writer.set_commit_hook(hook)
    async with trio.open_nursery() as nursery:
        for job in jobs:
            nursery.start_soon(claimed, empty_store, job)
    assert commits <= 3
    assert all(row.holder == empty_store.holder for row in (await empty_store.jobs()).values())


async def test_a_cancelled_caller_that_waits_its_turn_changes_nothing_and_harms_nobody(
    empty_store: SqliteStore,
) -> None:
    await empty_store.register([registration("first"), registration("second"), registration("third")], now=NOON)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(claimed, empty_store, "first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            nursery.start_soon(claimed, empty_store, "third")
            scope.cancel()
            await claimed(empty_store, "second")
    rows = await empty_store.jobs()
    assert rows["first"].holder == rows["third"].holder == empty_store.holder
    assert rows["second"].holder is None


class UnsureConnection(apsw.Connection):
    """Commits, and then says that it failed."""

    unsure = 0

    def execute(self, statements: str, *args: Any, **kwargs: Any) -> apsw.Cursor:
        result = super().execute(statements, *args, **kwargs)
        if statements == "COMMIT" and self.unsure:
            self.unsure -= 1
            raise apsw.IOError("disk I/O error")
        return result


async def test_a_commit_that_was_saved_but_not_confirmed_is_not_saved_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexo_poller.store.sqlite.apsw.Connection", UnsureConnection)
    async with SqliteStore(tmp_path / "poller.db") as store:
        await store.register([registration()], now=NOON)
        assert isinstance(store._writer, UnsureConnection)
        store._writer.unsure = 1
        claim = await claimed(store)
        store._writer.unsure = 2
        saved = commit(claim, outgoing())
        with pytest.raises(StoreError, match="the disk failed"):
            await store.commit(claim, saved, now=NOON)
        await store.commit(claim, saved, now=NOON)
        assert len(await store.pending("inbox/t", 10)) == 1
        assert len(await store.history("inbox", 10)) == 1


class TestTheDead:
    """L5: a holder of this machine whose lock can be taken is dead."""

    async def test_a_holder_that_was_killed_is_taken_over_at_once_and_counted(
        self, tmp_path: Path, empty_store: SqliteStore
    ) -> None:
        await empty_store.register([registration()], now=NOON)
        with killed_holder(tmp_path / "poller.db"):
            busy = await empty_store.claim(request(), now=NOON)
            assert isinstance(busy, NotNow)
            assert await empty_store.bury() == []
        assert await empty_store.bury() == ["inbox"]
        taken = await empty_store.claim(request(), now=NOON)
        assert isinstance(taken, Claim)
        assert taken.is_takeover

    async def test_a_living_holder_keeps_its_lease(self, empty_store: SqliteStore, another: Another) -> None:  # noqa: F405
        await empty_store.register([registration()], now=NOON)
        await claimed(empty_store)
        async with another() as second:
            assert await second.bury() == []
            assert isinstance(await second.claim(request(), now=NOON), NotNow)

    async def test_who_leaves_leaves_no_lease_behind_and_counts_as_no_takeover(
        self,
        empty_store: SqliteStore,
        another: Another,  # noqa: F405
    ) -> None:
        await empty_store.register([registration()], now=NOON)
        async with another() as second:
            await claimed(second)
        assert not (await claimed(empty_store)).is_takeover

    async def test_what_is_no_holders_file_is_left_alone(self, empty_store: SqliteStore, another: Another) -> None:  # noqa: F405
        odd = empty_store.path.with_name(f"{empty_store.path.name}-holders") / f"{empty_store.holder}-folder"
        odd.mkdir()
        async with another() as second:
            assert await second.bury() == []
        assert odd.is_dir()

    async def test_of_another_machine_nothing_is_known_before_its_lease_runs_out(
        self, tmp_path: Path, empty_store: SqliteStore
    ) -> None:
        await empty_store.register([registration()], now=NOON)
        with killed_holder(tmp_path / "poller.db", machine="elsewhere"):
            pass
        assert await empty_store.bury() == []
        assert isinstance(await empty_store.claim(request(), now=NOON), NotNow)
        assert isinstance(await empty_store.claim(request(), now=NOON + MINUTE), Claim)

    async def test_two_stores_of_one_process_are_two_holders(self, store: Store, another: Another) -> None:  # noqa: F405
        async with another() as second:
            assert second.holder != store.holder


HOLD = """
import sys, trio
sys.path[:0] = {path!r}
from builders import NOON, claimed
from nexo_poller.store.sqlite import SqliteStore

async def hold():
    async with SqliteStore({db!r}, machine={machine!r}) as store:
        await claimed(store)
        print("held", flush=True)
        await trio.sleep_forever()

trio.run(hold)
"""


@contextmanager
def killed_holder(db: Path, machine: str | None = None) -> Iterator[None]:
    """Another process that holds the lease of `inbox` during the block, and is killed at its end."""
    script = HOLD.format(path=sys.path, db=str(db), machine=machine)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.kill()
