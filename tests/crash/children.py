"""Processes that tests start, stop, and kill without warning."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
RECEIVE_BYTES: Final = 65_536


@define(eq=False)
class Child:
    """A running script, which says what it does in lines on stdout."""

    process: trio.Process
    errors: Path
    _unread: bytes = b""

    async def line(self) -> str | None:
        """The next line that it says, without its end; None when it has ended."""
        assert self.process.stdout is not None
        while b"\n" not in self._unread:
            received = await self.process.stdout.receive_some(RECEIVE_BYTES)
            if not received:
                return None
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    async def heard(self, beginning: str) -> str:
        """The rest of the next line that begins so. Fails if the process ends first."""
        while (line := await self.line()) is not None:
            if line.startswith(beginning):
                return line.removeprefix(beginning)
        raise AssertionError(f"it ended without saying {beginning!r}:\n{self.errors.read_text()}")

    async def tell(self, line: str) -> None:
        """Write a line on its stdin."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(f"{line}\n".encode())

    async def kill(self) -> None:
        """SIGKILL; return when it is dead."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM; return when it has ended, and fail unless all went well."""
        self.process.terminate()
        assert await self.process.wait() == 0, self.errors.read_text()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def child(
    script: str, told: Mapping[str, Any], *, folder: Path, under: Sequence[str] = ()
) -> AsyncIterator[Child]:
    """A script of this folder in a process of its own, dead at the end of the block.

    It finds what it is `told` as JSON in its argv, and leaves what it writes on stderr in `folder`. `under` is a
    command that is to start it.
    """
    errors = folder / f"{script}.stderr"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with errors.open("ab") as stderr:
        process = await trio.lowlevel.open_process(
            [*under, sys.executable, str(HERE / script), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": path},
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Child(process, errors)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):  # it is dead in a moment
            await process.wait()
        await trio.aclose_forcefully(process.stdin)
        await trio.aclose_forcefully(process.stdout)
