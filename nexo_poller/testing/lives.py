"""The lives of a poller in processes of its own, from the side of the test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define

from nexo_poller.testing.transplant import Immovable

RECEIVE_BYTES: Final = 65_536
LIFE_SECS: Final = 60


class LifeFailed(AssertionError):
    """A process that was to run a poller did not; the message says why."""


@define(eq=False)
class Lives:
    """A process whose forks run the poller, one at a time; `errors` has what they wrote on stderr."""

    process: trio.Process
    errors: Path
    _unread: bytes = b""
    _modules: Sequence[str] = ()

    async def whole(self, db: Path) -> Mapping[str, Any]:
        """Run the poller on `db` until all its ticks are committed and all messages have arrived; what it says of that.

        Raises `LifeFailed`.
        """
        reports = [report async for report in self._life(db, "", 0) if "done" in report]
        if not reports:
            raise LifeFailed(f"its process ended by itself:\n{self.errors.read_text()}")
        done: Mapping[str, Any] = reports[0]["done"]
        self._modules = self._modules or done["modules"]
        return done

    async def cut_short(self, db: Path, point: str, passes: int) -> None:
        """Run the poller on `db`, and kill it when it passes `point` for the time after `passes` times, if it ever does.

        Raises `LifeFailed`.
        """
        async for report in self._life(db, point, passes):
            if "at" in report:
                os.kill(report["pid"], signal.SIGKILL)

    async def _life(self, db: Path, point: str, passes: int) -> AsyncIterator[Mapping[str, Any]]:
        await self.tell({"db": str(db), "point": point, "passes": passes, "modules": self._modules})
        while not (report := await self.report()).get("ended"):
            if "failed" in report:
                raise LifeFailed(f"its tick fails: {report['failed']}")
            yield report

    async def tell(self, told: Mapping[str, Any]) -> None:
        """Write a line on the process's stdin."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        await self.process.stdin.send_all(json.dumps(told).encode() + b"\n")

    async def report(self) -> Mapping[str, Any]:
        """What it says next. Raises `LifeFailed` if that takes a minute, or it ends instead."""
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        with trio.move_on_after(LIFE_SECS) as scope:
            while b"\n" not in self._unread and (more := await self.process.stdout.receive_some(RECEIVE_BYTES)):
                self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        if not line:
            slow = f"said nothing for {LIFE_SECS} s (ticks wait in real time here: let its pauses be an argument, and short)"
            what = slow if scope.cancelled_caught else "ended"
            raise LifeFailed(f"its process {what}:\n{self.errors.read_text()}")
        report: Mapping[str, Any] = json.loads(line)
        return report


@asynccontextmanager
async def lives_of(told: Mapping[str, Any], folder: Path) -> AsyncIterator[Lives]:
    """Processes for what is `told` (see `doomed`), all of them dead at the end of the block.

    Raises `Immovable` if the poller cannot be imported there.
    """
    errors = folder / "stderr"
    with errors.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "nexo_poller.testing.doomed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,  # so that its forks can be ended with it
        )
    try:
        lives = Lives(process, errors)
        await lives.tell(told)
        if "refused" in (report := await lives.report()):
            raise Immovable(report["refused"])
        yield lives
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True):  # it is dead in a moment
            await process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                await trio.aclose_forcefully(stream)
