"""The real command in processes of its own, as tests drive it."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Final

import trio
from attrs import define, field

ROOT: Final = Path(__file__).parent.parent
NEXO_POLLER: Final = (sys.executable, "-m", "nexo_poller")
RECEIVE_BYTES: Final = 65_536


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, in which Python finds this very package from any folder, and no terminal's size."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    ours = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    return {**ours, "PYTHONPATH": path, **(extra or {})}


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nexo_poller(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; fails unless it exits with `status` and without a traceback."""
    done = subprocess.run(
        [*NEXO_POLLER, *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@define(eq=False)
class Running:
    """A process under way. `stderr` is all that it has written there so far."""

    process: trio.Process
    stderr: bytes = b""
    _unread: bytes = b""
    _more: trio.Event = field(factory=trio.Event)

    async def line(self) -> str:
        """The next line on stdout, without its end; "" once there are no more."""
        assert self.process.stdout is not None
        while b"\n" not in self._unread:
            received = await self.process.stdout.receive_some(RECEIVE_BYTES)
            if not received:
                return ""
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    async def lines(self) -> AsyncIterator[str]:
        """The lines on stdout, until it is closed."""
        while line := await self.line():
            yield line

    async def said(self, text: str) -> None:
        """Return once `text` stands on stderr."""
        while text.encode() not in self.stderr:
            await self._more.wait()

    async def listen(self) -> None:
        """Read stderr until its end."""
        assert self.process.stderr is not None
        async for some in self.process.stderr:
            self.stderr += some
            self._more.set()
            self._more = trio.Event()

    async def ended_by(self, signal: Signals) -> int:
        """Send the signal and wait for the end; returns the exit code."""
        self.process.send_signal(signal)
        return await self.process.wait()


@asynccontextmanager
async def running(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """A process for as long as the block lasts, and not for longer. The block fails after three minutes."""
    start = partial(trio.run_process, argv, cwd=cwd, env=environment(env), check=False, deliver_cancel=_kill)
    pipes = partial(start, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with trio.fail_after(180):
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(pipes)
            live = Running(process)
            nursery.start_soon(live.listen)
            yield live
            nursery.cancel_scope.cancel()


async def _kill(process: trio.Process) -> None:
    process.kill()
