"""What a tick does to the loop, and what it leaves behind.

A blocking call is known by its audit event (PEP 578; the table of events is in Python's library reference), or, as
`time.sleep` and the start of a thread have none before Python 3.13, by the interpreter's profiler. A busy tick is known by
its thread's CPU time between two checkpoints, which a loaded machine does not lengthen, but a profiler does: one tick is
measured, another one profiled. What counts is what happens in the context of a watched tick, its child tasks included, and
on the loop's own thread: a thread of `trio.to_thread` may block. What waits without a trace, such as a lock or a socket that
was connected before, is not seen.
"""

import ipaddress
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx
import trio

MOST_CPU_SECONDS: Final = 1.0
BIG_FILE_BYTES: Final = 2**20
STARTS_OF_THREADS: Final = ("start_new_thread", "start_joinable_thread")
INSTALLED: Final = (sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"])
SEND: Final = httpx.AsyncClient.send.__code__
BELOW_A_TICK: Final = ("nexo_poller.testing.stepping", "trio._core._run")

WATCHING: ContextVar["Watch | None"] = ContextVar("watching", default=None)
"""Who watches the tick that the present task is part of."""


class Watch(trio.abc.Instrument):
    """Collects `faults`, a sentence each and none twice, of what happens in `watching` blocks."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self._tasks: set[trio.lowlevel.Task] = set()
        self._thread = threading.get_ident()
        self._step_began = time.thread_time()
        self._is_measuring = True
        self.client: httpx.AsyncClient | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what is run in the block, and the tasks that it starts."""
        token = WATCHING.set(self)
        try:
            yield
        finally:
            WATCHING.reset(token)

    def check_tasks(self) -> None:
        """Find fault with every task that was started in a `watching` block and still runs."""
        for task in self._tasks:
            self.faults[f"It leaves the task {task.name} running when its tick and its lifespan are over."] = (
                "Start tasks in a nursery that `tick` opens itself, and which is closed when it returns."
            )
        self._tasks.clear()

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """See `trio.abc.Instrument`."""
        if WATCHING.get() is self:
            self._tasks.add(task)

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """See `trio.abc.Instrument`."""
        self._tasks.discard(task)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - the interface's
        """See `trio.abc.Instrument`."""
        self._step_began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """See `trio.abc.Instrument`."""
        spent = time.thread_time() - self._step_began
        if self._is_measuring and spent > MOST_CPU_SECONDS and task.context.get(WATCHING) is self:
            self.faults["It blocks the loop: over a second of CPU time between two checkpoints."] = (
                "Give the work to `trio.to_thread.run_sync`, or let others run now and then by `trio.lowlevel.checkpoint`."
            )

    def happened(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit event, in a watched block."""
        if event not in BLOCKING or threading.get_ident() != self._thread:
            return
        describe, remedy = BLOCKING[event]
        if call := describe(*args):
            self._blocks(call, remedy)

    @contextmanager
    def profiling(self) -> Iterator[None]:
        """See calls that have no audit event, instead of measuring time."""
        before, self._is_measuring = sys.getprofile(), False
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(before)
            self._is_measuring = True

    def _called(self, frame: FrameType, event: str, function: Any) -> None:
        if WATCHING.get() is not self:
            return
        if event == "call" and frame.f_code is SEND and frame.f_locals["self"] is not self.client:
            self.faults[
                f"It asks with an HTTP client of its own{_place(_own_frames())}, without the limits of `ctx.http`."
            ] = "Ask with `ctx.http`: it keeps to the limits of hosts and sizes, and out of private networks."
        if event != "c_call":
            return
        if function is time.sleep:
            self._blocks("time.sleep", "Wait with `trio.sleep`.")
        elif function.__name__ in STARTS_OF_THREADS:
            frames = _own_frames()
            if not _are_trios(frames):
                self.faults[f"It starts a thread of its own{_place(frames)}, which nobody waits for or can cancel."] = (
                    "Use `trio.to_thread.run_sync`, whose thread belongs to the tick."
                )

    def _blocks(self, call: str, remedy: str) -> None:
        frames = _own_frames()
        if not _are_trios(frames):
            self.faults[f"It blocks the loop: {call}{_place(frames)}. Every other job waits meanwhile."] = remedy


def _big(path: object, *_: object) -> str:
    try:
        size = Path(path).stat().st_size if isinstance(path, str) else 0
    except OSError:
        return ""
    is_code = str(path).startswith((*INSTALLED, sys.base_prefix))
    return f"open({path!r}), of {size:,} bytes," if size > BIG_FILE_BYTES and not is_code else ""


def _lookup(host: object, *_: object) -> str:
    try:
        ipaddress.ip_address(str(host))
    except ValueError:
        return f"a lookup of {host!r}" if host else ""
    return ""


ASK: Final = "Ask with `ctx.http`, or open connections with `trio.open_tcp_stream`."
BLOCKING: Final[Mapping[str, tuple[Callable[..., str], str]]] = {
    "subprocess.Popen": (lambda program, *_: f"subprocess.Popen({program!r})", "Run programs with `trio.run_process`."),
    "os.posix_spawn": (lambda program, *_: f"os.posix_spawn({program!r})", "Run programs with `trio.run_process`."),
    "os.fork": (lambda: "os.fork()", "Run programs with `trio.run_process`."),
    "os.system": (lambda command: f"os.system({command!r})", "Run programs with `trio.run_process`."),
    "socket.connect": (lambda sock, to: f"socket.connect({to!r})" if sock.gettimeout() != 0 else "", ASK),
    "socket.getaddrinfo": (_lookup, ASK),
    "socket.gethostbyname": (_lookup, ASK),
    "urllib.Request": (lambda url, *_: f"urllib.request.urlopen({url!r})", ASK),
    "sqlite3.connect": (lambda path: f"sqlite3.connect({path!r})", "Use it from `trio.to_thread.run_sync`."),
    "open": (_big, "Read big files with `trio.Path` or `trio.to_thread.run_sync`."),
}


def _own_frames() -> list[FrameType]:
    """The calls under way inside the watched task, innermost first, but for the standard library's and ours."""
    frames = []
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - inspect's way to it reads source files, an event in itself
    while frame is not None and frame.f_globals.get("__name__") not in BELOW_A_TICK:
        if frame.f_globals.get("__name__") != __name__ and _package(frame) not in sys.stdlib_module_names:
            frames.append(frame)
        frame = frame.f_back
    return frames


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def is_own(frame: FrameType) -> bool:
    """Whether this is a poller's own code: of no library, nor this one."""
    is_library = _package(frame) in {*sys.stdlib_module_names, "nexo_poller"}
    return not is_library and not frame.f_code.co_filename.startswith(INSTALLED)


def _are_trios(frames: list[FrameType]) -> bool:
    """Whether trio itself makes the call, and so knows what it does."""
    return bool(frames) and _package(frames[0]) == "trio"


def _place(frames: list[FrameType]) -> str:
    """Where the innermost line stands that is of no library, or else the outermost."""
    if not frames:
        return ""
    own = (frame for frame in frames if not frame.f_code.co_filename.startswith(INSTALLED))
    frame = next(own, frames[-1])
    return f" in {frame.f_code.co_name} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"


def _hear(event: str, args: tuple[Any, ...]) -> None:
    watch = WATCHING.get()
    if watch is not None:
        watch.happened(event, args)


def listen() -> None:
    """Hear audit events from now on; Python has no way to stop that, and needs none: outside of ticks it costs little."""
    if not _LISTENING:
        _LISTENING.append(True)
        sys.addaudithook(_hear)


_LISTENING: Final[list[bool]] = []
