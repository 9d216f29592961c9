"""Asking a store that may not answer at once."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from nexo_poller.errors import StoreError, StoreRefused

T = TypeVar("T")
SHIELD: Final = 5.0  # seconds for which a write may hold up a cancellation (C3)
PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0

log = logging.getLogger(__name__)


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """The store's answer, asked for again after every `StoreError`; all its calls may be repeated (L2).

    The pauses double up to `LONGEST_PAUSE`. Raises `StoreRefused`: a damaged file will not mend itself.
    """
    pause = PAUSE
    while True:
        try:
            return await ask()
        except StoreRefused:
            raise
        except StoreError as error:
            log.warning("%s; asking again in %g s", error, pause)
        await trio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def finished_shielded(write: Callable[[], Awaitable[None]]) -> None:
    """Do the write even if cancelled, and then for `SHIELD` at most; repeated until it has succeeded.

    Without the shield a cancellation between an effect and its record (published, not deleted; claimed, not released)
    would leave the record to the next holder, who can only do the effect again.
    """
    with trio.CancelScope(shield=True, deadline=trio.current_time() + SHIELD):
        await answered(write)
        return
    await answered(write)
