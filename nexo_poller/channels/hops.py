"""How a channel calls what blocks: off the loop, or, in virtual time, on it."""

from collections.abc import Awaitable, Callable

import trio

Blocking = Callable[[], None]
Hop = Callable[[Blocking], Awaitable[None]]


def in_threads(most: int) -> Hop:
    """Calls in threads of their own, `most` at once, so that other users of threads need not wait for them.

    A cancelled call is left to itself, and keeps its place until it has returned. What it does is then done again by a
    redelivery, but waiting for it could keep the process from stopping.
    """
    limiter = trio.CapacityLimiter(most)

    async def hop(call: Blocking) -> None:
        await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=limiter)

    return hop


async def inline(call: Blocking) -> None:
    """The call on the loop: virtual time does not wait for threads (O5)."""
    await trio.lowlevel.checkpoint()
    call()
