"""Work that a cancellation may not break off in the middle."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import outcome
import trio

T = TypeVar("T")


async def finished(work: Callable[[], Awaitable[T]], *, grace: float) -> T:
    """What `work` returns or raises. If the caller is cancelled, it has `grace` seconds more to come to its end."""
    results: list[outcome.Outcome[T]] = []
    async with trio.open_nursery() as nursery:
        shield = trio.CancelScope(shield=True)
        nursery.start_soon(_limit, shield, grace)
        with shield:
            # captured, since what leaves a nursery comes in a group; if `shield` ends it, this task was cancelled, see below
            results.append(await outcome.acapture(work))
        nursery.cancel_scope.cancel()
    await trio.lowlevel.checkpoint_if_cancelled()
    return results[0].unwrap()


async def _limit(shield: trio.CancelScope, grace: float) -> None:
    """Once cancelled, end the shield in due time."""
    try:
        await trio.sleep_forever()
    finally:
        shield.deadline = trio.current_time() + grace
