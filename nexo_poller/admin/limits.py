"""How much at once: whoever asks for more waits a little, and is then told to come back."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import trio
from attrs import Factory, define

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.route import Cost
from nexo_poller.admin.shared import Shared

REQUESTS: Final = 8
LENGTHY_REQUESTS: Final = 4  # runs may take minutes: half of the places are kept for whoever wants to look, or to pause
STREAMS: Final = 64
PATIENCE_SECS: Final = 10.0


@define(eq=False)
class Limits:
    """Places in one admin app.

    `streams` is for event streams, which last, and so take no places from requests. `listing` and `metrics` are what takes
    long to render, and longer the more jobs there are.
    """

    listing: Shared = Factory(Shared)
    metrics: Shared = Factory(Shared)
    streams: trio.CapacityLimiter = Factory(lambda: trio.CapacityLimiter(STREAMS))
    _requests: trio.CapacityLimiter = Factory(lambda: trio.CapacityLimiter(REQUESTS))
    _lengthy: trio.CapacityLimiter = Factory(lambda: trio.CapacityLimiter(LENGTHY_REQUESTS))

    @asynccontextmanager
    async def place(self, cost: Cost) -> AsyncIterator[None]:
        """A place for a request that costs so much. Raises `Failure` with 503 if none gets free in time."""
        async with AsyncExitStack() as places:
            with trio.move_on_after(PATIENCE_SECS) as patience:
                if cost == "lengthy":
                    await places.enter_async_context(self._lengthy)
                if cost != "light":
                    await places.enter_async_context(self._requests)
            if patience.cancelled_caught:
                raise Failure(503, "too many requests at once; try again", headers={"Retry-After": "1"})
            yield
