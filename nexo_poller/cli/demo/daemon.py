"""The daemon under trial: the ordinary `serve`, in a process of its own that can be killed and started again."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Final

import trio
from attrs import Factory, define

TAKEOVER: Final = "took its lease over"  # what `serve` logs for each
STOP_SECS: Final = 3.0
TAIL_LINES: Final = 5


@define(eq=False, kw_only=True)
class Daemon:
    """A command that runs until it is killed, and its log, which all its lives share."""

    command: Sequence[str]
    log: Path
    _process: trio.Process | None = None
    _gone: trio.Event = Factory(trio.Event)
    _is_doomed: bool = False

    async def live(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the command once, until it is gone; started when the process is there. Cancelling kills it.

        Raises `DaemonDied` if nobody had asked it to end.
        """
        self._is_doomed, self._gone = False, trio.Event()
        run = partial(trio.run_process, self.command, check=False, deliver_cancel=_kill)
        try:
            with self.log.open("ab") as log:
                async with trio.open_nursery() as nursery:
                    self._process = await nursery.start(partial(run, stdin=DEVNULL, stdout=DEVNULL, stderr=log))
                    task_status.started()
            if not self._is_doomed:
                raise DaemonDied(self._process.returncode, self._last_words())
        finally:
            self._gone.set()

    def kill(self) -> None:
        """SIGKILL, now."""
        self._is_doomed = True
        if self._process is not None:
            self._process.kill()

    async def gone(self) -> None:
        """Return when the process is."""
        await self._gone.wait()

    async def stop(self) -> None:
        """SIGTERM; and SIGKILL, if that is not heard."""
        self._is_doomed = True
        if self._process is not None:
            self._process.terminate()
        with trio.move_on_after(STOP_SECS):
            await self.gone()
        self.kill()
        await self.gone()

    def takeovers(self) -> int:
        """How often it told its log that it took over a lease from a life before."""
        return sum(TAKEOVER in line for line in self._lines())

    def _lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def _last_words(self) -> str:
        return "\n".join(_message(line) for line in self._lines()[-TAIL_LINES:])


class DaemonDied(Exception):
    """The daemon ended without having been told to; `status` as in `subprocess`, and the end of its log."""

    def __init__(self, status: int | None, last_words: str) -> None:
        super().__init__(f"the daemon ended by itself with status {status}\n{last_words}".rstrip())


async def _kill(process: trio.Process) -> None:
    process.kill()


def _message(line: str) -> str:
    """The message of a JSON log line; any other line as it is."""
    try:
        return str(json.loads(line)["message"])
    except (ValueError, LookupError, TypeError):
        return line
