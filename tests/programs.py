"""Real programs for tests of plugins, and what is left of them."""

import shutil
import sys
from pathlib import Path

import psutil
from attrs import frozen

from nexo_poller.plugins.router import Entrypoint

MARK = "MARK_OF_TEST"
IMPOLITE = """
import os, signal, sys, time
for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_IGN)
reading, writing = os.pipe()
if os.fork() == 0:
    {move_away}
    os.write(writing, b"here")
    time.sleep(1_000)
os.read(reading, 4)
print("ready", flush=True)
{then}
"""
LIVE_ON = "time.sleep(1_000)"
WAYS_OUT = {
    "a child": "",
    "a child in a group of its own": "os.setpgid(0, 0)",
    "a child in a session of its own": "os.setsid()",
    "an orphan in a session of its own": "os.setsid(); os.fork() and os._exit(0); os.setsid()",
}


def impolite(move_away: str, then: str = LIVE_ON) -> str:
    """A Python program that ignores signals and the end of its stdin, has a child that does as well, and says `ready`."""
    return IMPOLITE.format(move_away=move_away, then=then)


@frozen
class Programs:
    """Programs in a folder of their own, whose processes bear the test's mark."""

    folder: Path

    def entrypoint(self, command: str, *args: str, **env: str) -> Entrypoint:
        """`command` is a path, or a name to be found along `PATH`."""
        command = shutil.which(command) or command
        return Entrypoint(command=command, args=args, env={MARK: self.mark, **env}, folder=self.folder)

    def python(self, source: str, *args: str) -> Entrypoint:
        return self.entrypoint(sys.executable, "-I", "-S", "-c", source, *args)

    def sh(self, source: str, *args: str) -> Entrypoint:
        return self.entrypoint("/bin/sh", "-c", source, "sh", *args)

    @property
    def mark(self) -> str:
        return str(self.folder)

    def processes(self) -> list[psutil.Process]:
        """All that still run, whoever their parent is; their guardians among them."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK, process.environ().get(f"+{MARK}")) == self.mark
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # a zombie has no environment any more
            return False


def zombies() -> list[psutil.Process]:
    """The children of ours that nobody has waited for."""
    return [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]


def descriptors() -> int:
    """How many files, pipes and sockets this process has open."""
    return psutil.Process().num_fds()
