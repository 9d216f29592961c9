"""Telling the dead from the living among the processes that share a store on one machine (L5).

Every open store holds an `flock` on a file of its own, in a folder beside the database. The kernel drops the lock with
the process, however it ends; so a holder of this machine whose lock can be taken is dead. Process ids would not do:
containers that share the folder have ids of their own.

A holder's name is `<machine>-<nonce>`, and also its file's name. "Machine" is the running kernel's boot id: all
containers on it share it, and no other machine does. Of holders of other machines, and of ones whose file is gone,
nothing is known here; their leases end by time alone.
"""

import fcntl
import os
import secrets
import socket
from pathlib import Path

from attrs import define

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def this_machine() -> str:
    """An id that all processes of this machine, and only they, agree on."""
    try:
        return BOOT_ID.read_text("ascii").strip().replace("-", "")
    except OSError:
        return socket.gethostname().replace("-", "_").replace("/", "_")


@define(eq=False)
class Holders:
    """The folder of lock files, and our own lock in it."""

    folder: Path
    machine: str
    name: str = ""
    _fd: int = -1

    def join(self) -> None:
        """Lock a new file of our own; `name` is ours from here on."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.name = f"{self.machine}-{secrets.token_hex(8)}"
        unseen = self.folder / f".{self.name}"  # until it is locked, lest somebody take us for dead
        self._fd = os.open(unseen, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unseen.rename(self.folder / self.name)

    def leave(self) -> None:
        """Unlock our file: whoever finds it takes us for dead. `forget` our name first if we leave no lease behind."""
        os.close(self._fd)

    def dead(self) -> list[str]:
        """Holders of this machine that have died."""
        others = {file.name for file in self.folder.glob(f"{self.machine}-*")} - {self.name}
        return [name for name in sorted(others) if self._is_dead(name)]

    def _is_dead(self, name: str) -> bool:
        try:
            fd = os.open(self.folder / name, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False  # it has just left, and released what it held; or it is nothing that one of us has made
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(fd)

    def forget(self, name: str) -> None:
        """Remove a dead holder's file, once its leases are over."""
        (self.folder / name).unlink(missing_ok=True)
