"""A socket in the file system that only its owner can open."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

OWNER_ONLY: Final = 0o600
OWNERS_FOLDER: Final = 0o700
BACKLOG: Final = 128


@contextmanager
def unix_listener(path: Path) -> Iterator[trio.SocketListener]:
    """A listener at `path`, whose folder is made if need be; both are the owner's alone.

    A file that a dead daemon has left there is replaced, by one daemon at a time; what is not a socket, or is listened
    to, is left alone. At the end the file is removed if it is still ours. Raises `OSError`.
    """
    path.parent.mkdir(mode=OWNERS_FOLDER, parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        os.fchmod(listening.fileno(), OWNER_ONLY)  # Linux makes the file so, and it never is anything else
        with _locked(path.parent):
            _remove_stale(path)
            listening.bind(str(path))
        path.chmod(OWNER_ONLY)  # other systems
        listening.listen(BACKLOG)
        listening.setblocking(False)
        ours = path.stat()
        try:
            yield trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        finally:
            with _locked(path.parent):
                _remove_ours(path, ours)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one of us at a time in this folder: of two that find a stale file, the second must not remove the first's."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file of this name that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody listens
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _remove_ours(path: Path, ours: os.stat_result) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
        path.unlink()
