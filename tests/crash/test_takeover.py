"""What the dead held is free again: at once if they died here, in time if they died elsewhere."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from shutil import which
from typing import Final

import pytest
import trio
from children import child
from lease_holder import JOB, claimed
from numbered_source import Hold, Receiver, one_number, world

from nexo_poller import SqliteStore
from nexo_poller.store import Claim, NotNow

HOUR: Final = timedelta(hours=1)
NAMESPACES: Final = (
    ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
    ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"),
)


def here() -> tuple[str, ...]:
    """No command at all: a process is started as it is."""
    return ()


def in_a_pid_namespace_of_its_own() -> tuple[str, ...]:
    """The command that starts a process so; skips where none is permitted."""
    for command in NAMESPACES:
        if which(command[0]) and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("needs `unshare` (util-linux), and the right to make a pid namespace")


@pytest.mark.parametrize("start", [here, in_a_pid_namespace_of_its_own])
async def test_what_a_dead_daemon_held_is_taken_over_within_10_seconds(
    tmp_path: Path, start: Callable[[], tuple[str, ...]]
) -> None:
    held, quick, receiver = one_number(Hold("asked")), one_number(Hold()), Receiver()
    async with world(held, receiver) as server:
        server.routes["/other/numbers"] = quick.numbers
        told = {
            "db": str(tmp_path / "poller.db"),
            "jobs": ["numbers"],
            "every_ms": 1000,
            "source": server.url(""),
            "inbox": server.url("/inbox"),
        }
        run = partial(child, "numbers_daemon.py", folder=tmp_path, under=start())
        async with run(told) as doomed:
            await held.hold.reached.wait()  # it holds the job's lease, and the relay's
            async with run({**told, "source": server.url("/other")}) as heir:
                await heir.heard("ready")
                await doomed.kill()
                with trio.fail_after(10):
                    await heir.heard("job 'numbers': took its lease over")
                    await receiver.has(["numbers 1"])
        held.hold.released.set()


async def test_a_lease_of_another_machine_ends_by_time_alone(tmp_path: Path) -> None:
    db = tmp_path / "poller.db"
    told = {"db": str(db), "ttl_secs": 3600}
    async with SqliteStore(db) as store:
        async with child("lease_holder.py", {**told, "machine": "elsewhere"}, folder=tmp_path) as holder:
            await holder.heard("claimed")
            await holder.kill()
        assert await store.bury() == []
        end = (await store.jobs())[JOB].expires_at
        assert end is not None
        refusal = await claimed(store, ttl=HOUR, now=end - timedelta(milliseconds=1))
        assert isinstance(refusal, NotNow)
        assert refusal.why == "busy"
        claim = await claimed(store, ttl=HOUR, now=end)
        assert isinstance(claim, Claim)
        assert claim.is_takeover


async def test_a_lease_of_a_process_that_lives_is_not_taken_over(tmp_path: Path) -> None:
    db = tmp_path / "poller.db"
    told = {"db": str(db), "ttl_secs": 3600}
    async with SqliteStore(db) as store, child("lease_holder.py", told, folder=tmp_path) as holder:
        await holder.heard("claimed")
        holder.freeze()
        assert await store.bury() == []
        holder.thaw()
        await holder.tell("commit")
        await holder.heard("committed")
