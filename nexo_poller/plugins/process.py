"""A plugin's process: lines in, lines out, and nothing of it left when the block is."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from nexo_poller.errors import TransientError
from nexo_poller.plugins import guardian
from nexo_poller.plugins.last_words import LastWords, Ration
from nexo_poller.plugins.lines import Lines

if TYPE_CHECKING:
    from nexo_poller.plugins.router import Entrypoint

INHERITED: Final = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
NEEDED_TO_LOAD_PYTHON: Final = ("LD_LIBRARY_PATH",)
RECEIVE_BYTES = 65_536  # what a pipe holds
FLOOD_PAUSE_SECS = 0.01  # after a full pipe of stderr: a flood of it takes 6 MB/s and no more of our time
KILL_SECS = 5.0  # a process that the kernel cannot end in this time is left to its guardian's end
END_OF_STDERR_SECS = 1.0
Hear = Callable[[str], Awaitable[None]]


async def unheard(_: str) -> None:
    """What becomes of a plugin's stderr if nobody wants to hear it."""


@define(eq=False, kw_only=True)
class Child:
    """A running plugin. What went wrong with it is told by `ended`."""

    _process: trio.Process
    _orders: int
    _to_send: trio.MemorySendChannel[bytes]
    _sending: trio.MemoryReceiveChannel[bytes]
    last_words: LastWords = field(factory=LastWords, init=False)
    _received: Lines = field(factory=Lines, init=False)
    _stderr_ended: trio.Event = field(factory=trio.Event, init=False)
    _deaf: trio.Event = field(factory=trio.Event, init=False)

    async def send(self, line: bytes) -> None:
        """Hand over a line with its end; returns when all before it are in the pipe.

        Cancelling leaves no half a line behind: it is sent whole, later, or not at all. Raises
        `trio.BrokenResourceError` if the plugin has closed its stdin, and `trio.ClosedResourceError` if we have.
        """
        await self._to_send.send(line)

    async def deaf(self) -> None:
        """Return when a line that was handed over could not be sent, because the plugin has closed its stdin."""
        await self._deaf.wait()

    def close_stdin(self) -> None:
        """Let the plugin see the end of its stdin once everything is sent."""
        self._to_send.close()

    async def receive_line(self) -> bytes | None:
        """The next line of stdout without its end, or what stands there at the end of it; None after that.

        Cancelling loses nothing. Raises `LineTooLong`, after which only ending the plugin makes sense.
        """
        await trio.lowlevel.checkpoint()  # a flood of lines that are here already would keep all others waiting
        while (line := self._received.take()) is None:
            chunk = await self._process.stdout.receive_some(RECEIVE_BYTES) if self._process.stdout else b""
            if not chunk:
                return self._received.rest() or None
            self._received.add(chunk)
        return line

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal's number; None while anything of the plugin runs."""
        return self._process.poll()

    @property
    def ended(self) -> str:
        """How it ended, in words, with the last of its stderr."""
        match self.status:
            case None:
                how = "it still runs"
            case status if status < 0:
                how = f"ended by signal {-status} ({signal.strsignal(-status)})"
            case status:
                how = f"exit status {status}"
        return how + self.said

    @property
    def said(self) -> str:
        """What the last words add to a sentence."""
        words = str(self.last_words)
        return f"; stderr: {words}" if words else ""

    async def wait(self) -> int:
        """The exit status, once nothing of the plugin is left and all of its stderr has been heard."""
        status = await self._process.wait()
        with trio.move_on_after(END_OF_STDERR_SECS):  # later than at once only if somebody killed the guardian
            await self._stderr_ended.wait()
        return status

    async def stop(self, grace: timedelta) -> int:
        """SIGTERM to all of it, SIGKILL to what is left after `grace`; the exit status when it is gone."""
        self._order(b"T")
        with trio.move_on_after(grace.total_seconds()):
            return await self.wait()
        await self.kill()
        return await self.wait()

    async def kill(self) -> None:
        """SIGKILL to all of it; return once it is gone, also when cancelled. What no signal can end is not waited for."""
        self._order(b"K")
        # without the shield a cancelled tick would leave processes behind
        with trio.move_on_after(KILL_SECS, shield=True):
            await self._process.wait()
            return
        self._process.kill()
        with trio.move_on_after(KILL_SECS, shield=True):
            await self._process.wait()

    def _order(self, what: bytes) -> None:
        try:
            os.write(self._orders, what)
        except BrokenPipeError:
            return  # it has ended

    async def _attend(self, scope: trio.CancelScope, hear: Hear) -> None:
        """Feed its stdin and drain its stderr for as long as the scope lasts."""
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._listen, hear)

    async def _write(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        async with self._process.stdin, self._sending:
            try:
                async for line in self._sending:
                    await self._process.stdin.send_all(line)
            except trio.BrokenResourceError:
                self._deaf.set()  # and whoever sends next is told

    async def _listen(self, hear: Hear) -> None:
        assert self._process.stderr is not None  # noqa: S101 - see above
        ration = Ration()
        while chunk := await self._process.stderr.receive_some(RECEIVE_BYTES):
            for line in self.last_words.add(chunk):
                if granted := ration.granted(line, trio.current_time()):
                    await hear(granted)
            if len(chunk) == RECEIVE_BYTES:
                await trio.sleep(FLOOD_PAUSE_SECS)
        for line in self.last_words.end():
            await hear(line)
        self._stderr_ended.set()

    async def _close(self) -> None:
        os.close(self._orders)
        with trio.CancelScope(shield=True):  # closing waits for nothing, but would be interrupted after the first
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream:
                    await stream.aclose()


@asynccontextmanager
async def spawned(entrypoint: "Entrypoint", env: Mapping[str, str], hear: Hear = unheard) -> AsyncIterator[Child]:
    """Run a program during the block, under a guardian that ends it when this process does, however that ends.

    `env` goes before the manifest's own environment, and that before the few variables that are inherited. `hear` is
    told what the program writes to stderr, unmasked, a line at a time: 32 at once, then 5 a second. stderr is read
    whether or not it is; stdout only as somebody asks for lines.

    When the block is left nothing of the program is: what still runs is killed, with everything it has started, and
    no zombie or descriptor stays. What the block raises comes out as it is, in no group.

    Raises `TransientError` if this process cannot start another one. A command that cannot be run is no error here: it
    ends at once, with status 127 and the reason as its last words.
    """
    child = await _start(entrypoint, environment(entrypoint, env, os.environ))
    raised: Exception | None = None
    pipes = trio.CancelScope(shield=True)  # a block that is cancelled may have some last words with its child
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child._attend, pipes, hear)  # noqa: SLF001 - the task is the child's own
            try:
                yield child
            except Exception as error:  # noqa: BLE001 - only carried out of the nursery, which would make it a group
                raised = error
            finally:
                pipes.cancel()
    finally:
        await child.kill()
        await child._close()  # noqa: SLF001 - as above
    if raised is not None:
        raise raised


def environment(entrypoint: "Entrypoint", env: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """What a plugin finds in its environment; of `ours`, which has the daemon's secrets, only what anybody may know."""
    return {**{name: ours[name] for name in INHERITED if name in ours}, **entrypoint.env, **env}


async def _start(entrypoint: "Entrypoint", environment: Mapping[str, str]) -> Child:
    """The running child; nobody feeds it or listens to it yet."""
    try:
        control, orders = os.pipe()
    except OSError as error:
        raise _not_started(entrypoint, error) from error
    try:
        process = await trio.lowlevel.open_process(
            [
                *(sys.executable, "-I", "-S", str(guardian.__file__)),
                *(str(control), str(entrypoint.folder), entrypoint.command, *entrypoint.args),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(control,),
            env={
                **{name: os.environ[name] for name in NEEDED_TO_LOAD_PYTHON if name in os.environ},
                **{f"+{name}": value for name, value in environment.items()},
            },
            start_new_session=True,  # a terminal's Ctrl-C is for the daemon, which decides what becomes of its plugins
        )
    except BaseException as error:
        os.close(orders)
        if isinstance(error, OSError | ValueError):
            raise _not_started(entrypoint, error) from error
        raise
    finally:
        os.close(control)
    to_send, sending = trio.open_memory_channel[bytes](0)
    return Child(process=process, orders=orders, to_send=to_send, sending=sending)


def _not_started(entrypoint: "Entrypoint", error: Exception) -> TransientError:
    return TransientError(f"'{entrypoint.command}' cannot be started: {error}")
