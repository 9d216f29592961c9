"""Plugins under the real command, killed in the middle of their ticks, and with their daemon."""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import apsw
import psutil
import trio
from attrs import frozen
from command import NEXO_POLLER, running
from evidence import look_at
from http_server import Server, http_server
from job_files import write_config
from numbered_source import Receiver, account
from programs import MARK, WAYS_OUT, Programs

PLUGIN: Final = Path(__file__).with_name("numbering_plugin.py")
SERVE: Final = (*NEXO_POLLER, "serve")
JOBS: Final = tuple(f"job-{n}" for n in range(12))
UNDER_WAY: Final = 5  # ticks that a process has begun, at least, when it is killed
LIFE_SECS: Final = 30
MAY_OUTLIVE_SECS: Final = 2  # what is promised


@frozen
class Installation:
    """A daemon's folder, with a plugin in it and many jobs of its kind, all due every second."""

    folder: Path
    programs: Programs

    @classmethod
    def sending_to(cls, server: Server, folder: Path) -> "Installation":
        schedule = {"every_secs": 1}
        jobs = [{"id": one, "kind": "numbering", "agent": "ana", "schedule": schedule, "config": {}} for one in JOBS]
        sections = {"channels": {"*": server.url("/inbox")}, "admin": {"bind": "unix:./admin.sock"}}
        write_config(folder, *jobs, pollers={"state_db": str(folder / "poller.db")}, **sections)
        return cls(folder, Programs(folder))

    def install(self, **env: str) -> None:
        """The plugin, with this environment."""
        plugin: dict[str, dict[str, Any]] = {
            "plugin": {"id": "numbers", "version": "1.0.0", "name": "Numbers", "description": ""},
            "plugin.entrypoint": {"command": sys.executable, "args": ["-I", "-S", str(PLUGIN)]},
            "plugin.entrypoint.env": {MARK: self.programs.mark, **env},
            "plugin.poller": {"kinds": ["numbering"], "broker_topic_prefix": "numbers", "max_concurrent_ticks": 8},
            "plugin.capabilities.broker": {"publish": ["plugin.outbound.>"]},
        }
        manifest = self.folder / "config" / "plugins" / "numbers" / "nexo-plugin.toml"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("\n".join(_toml(plugin)))

    async def under_way(self, gone: int | None = None) -> int:
        """The process of the plugin that is at work on ticks, once it is; not the one that is `gone`."""
        began = self.folder / "config" / "plugins" / "numbers" / "began"
        with trio.fail_after(LIFE_SECS):
            while True:
                counts = Counter(began.read_text().split() if began.exists() else ())
                for pid, count in counts.items():
                    if count >= UNDER_WAY and int(pid) != gone and psutil.pid_exists(int(pid)):
                        return int(pid)
                await trio.sleep(0.005)

    async def left(self) -> list[int]:
        """Who of the plugin still runs after the time that it may outlive its daemon."""
        with trio.move_on_after(MAY_OUTLIVE_SECS):
            while self.programs.processes():  # noqa: ASYNC110 - they are other processes
                await trio.sleep(0.02)
        return [process.pid for process in self.programs.processes()]

    def failures(self, words: str) -> int:
        """How many ticks have failed with these words."""
        with closing(apsw.Connection(str(self.folder / "poller.db"), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            [[count]] = db.execute("SELECT count(*) FROM poll_tick WHERE error LIKE ?", (f"%{words}%",))
            return int(count)

    async def ends_well(self, receiver: Receiver) -> None:
        """Serve until every job has ticked once more; nothing may have been lost, repeated, or put in another order."""
        self.install()
        async with running(SERVE, cwd=self.folder) as daemon:
            await daemon.said("serving ")
            more = [
                f"{job} {int(cursor or 0) + 1}" for job, cursor in look_at(self.folder / "poller.db").cursors.items()
            ]
            with trio.fail_after(LIFE_SECS):
                await receiver.has(more)
            assert await daemon.ended_by(signal.SIGTERM) == 0
        evidence, arrived = look_at(self.folder / "poller.db"), account(receiver.arrivals)
        waiting = [text for text in evidence.outbox if text not in receiver.texts()]
        for job in JOBS:
            sent = [*arrived.of(job), *(text for text in waiting if text.startswith(f"{job} "))]
            assert sent == [f"{job} {n}" for n in range(1, int(evidence.cursors[job] or 0) + 1)]


def _toml(sections: dict[str, dict[str, Any]]) -> Iterator[str]:
    for section, members in sections.items():
        yield f"[{section}]"
        yield from (f"{key} = {json.dumps(value)}" for key, value in members.items())


async def test_a_plugin_killed_in_the_middle_of_ticks_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    receiver, kills, killed = Receiver(), 2, None
    async with http_server({"/inbox": receiver.take}) as server:
        installation = Installation.sending_to(server, tmp_path)
        installation.install()
        async with running(SERVE, cwd=tmp_path) as daemon:
            for _ in range(kills):
                killed = await installation.under_way(gone=killed)
                os.kill(killed, signal.SIGKILL)
            await installation.under_way(gone=killed)
            assert await daemon.ended_by(signal.SIGTERM) == 0
        assert installation.failures("ended by signal 9") >= kills
        await installation.ends_well(receiver)


async def test_a_daemon_killed_in_the_middle_of_ticks_leaves_no_process_and_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    receiver = Receiver()
    async with http_server({"/inbox": receiver.take}) as server:
        installation = Installation.sending_to(server, tmp_path)
        for way_out in ("a child in a group of its own", "an orphan in a session of its own"):
            installation.install(WAY_OUT=WAYS_OUT[way_out])
            async with running(SERVE, cwd=tmp_path) as daemon:
                await installation.under_way()
                daemon.process.kill()
                await daemon.process.wait()
                assert await installation.left() == []
        await installation.ends_well(receiver)
