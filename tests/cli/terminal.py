"""A terminal, of a hundred columns unless told otherwise, for commands that look at what they print to, and for shells."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Final

from command import environment

MOST_SECS: Final = 120
ROWS: Final = 40
COLUMNS: Final = 100
A_SESSION_OF_ITS_OWN: Final = ("setsid", "--ctty")  # or shells would find that the terminal is not theirs
A_TERMINAL: Final = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


def on_a_terminal(
    argv: Sequence[str],
    *,
    cwd: Path,
    typed: str = "",
    env: Mapping[str, str] | None = None,
    columns: int = COLUMNS,
) -> tuple[int, str]:
    """Run a program to its end on a terminal, with this typed ahead; its exit code, and all that the terminal shows."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    with subprocess.Popen(
        [*A_SESSION_OF_ITS_OWN, *argv],
        cwd=cwd,
        env=environment({**A_TERMINAL, **(env or {})}),
        stdin=its,
        stdout=its,
        stderr=its,
    ) as process:
        os.close(its)
        too_long = Timer(MOST_SECS, process.kill)
        too_long.start()
        os.write(ours, typed.encode())
        shown = b"".join(iter(lambda: _read(ours), b""))
        too_long.cancel()
    os.close(ours)
    return process.returncode, shown.decode()


def _read(terminal: int) -> bytes:
    """Some of what is shown; b"" once nobody can show anything more."""
    try:
        return os.read(terminal, 65_536)
    except OSError:  # which is how Linux tells
        return b""
