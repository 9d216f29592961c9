"""The files of an account: read and written off the loop, replaced whole, locked against other processes."""

import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

import trio

from nexo_poller.clock import Clock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
PRIVATE: Final = 0o600
LOCK_PAUSE: Final = 0.05


async def off_the_loop(clock: Clock, work: Callable[[*Ts], T], *args: *Ts) -> T:
    """What `work(*args)` returns, out of a thread; inline in virtual time, which does not wait for threads (O5)."""
    if clock.virtual:
        await trio.lowlevel.checkpoint()
        return work(*args)
    return await trio.to_thread.run_sync(work, *args)


def replace_private(path: Path, text: str) -> None:
    """Make `text` the contents of `path`, readable by its owner alone. The caller holds the lock of `path`.

    Whoever reads meanwhile, and whoever comes after a crash, finds the old contents or the new, never a part. Where
    `path` is a symbolic link, what it leads to is replaced.
    """
    target = path.resolve()
    draft = target.with_name(f".{target.name}.draft")
    draft.unlink(missing_ok=True)  # a crash may have left one
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name too has to outlive a power cut
    finally:
        os.close(folder)


@asynccontextmanager
async def locked(path: Path, clock: Clock) -> AsyncIterator[None]:
    """Keep every other process that does the same out of the block. The lock, `<path>.lock`, ends with its holder.

    In a folder that cannot be written, such as one of mounted secrets, there is no lock to be had: nobody could save
    what it protects either.
    """
    try:
        lock = await off_the_loop(clock, _open_lock, path)
    except OSError:
        yield
        return
    try:
        while not await off_the_loop(clock, _is_ours, lock):  # noqa: ASYNC110 - other processes set no events
            await trio.sleep(LOCK_PAUSE)
        yield
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    target = path.resolve()
    return os.open(target.with_name(f"{target.name}.lock"), os.O_RDWR | os.O_CREAT, PRIVATE)


def _is_ours(lock: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
