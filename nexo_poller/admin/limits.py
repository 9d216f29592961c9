"""How much at once: whoever asks for more waits a little, and is then told to come back."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

import trio
from attrs import Factory, define

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.route import Cost

REQUESTS: Final = 8
LENGTHY_REQUESTS: Final = 4  # runs may take minutes: half of the places are kept for whoever wants to look, or to pause
STREAMS: Final = 64
PATIENCE_SECS: Final = 10.0


@define(eq=False)
class Limits:
    """Places in one admin app. `rendering` is for metrics, where a second thread would only take the first one's time."""

    rendering: trio.CapacityLimiter = Factory(lambda: trio.CapacityLimiter(1))
    _requests: trio.CapacityLimiter = Factory(lambda: trio.CapacityLimiter(REQUESTS))
    _lengthy: trio.CapacityLimiter = Factory(lambda: trio.CapacityLimiter(LENGTHY_REQUESTS))
    _streams: int = 0

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

    def check_streams(self) -> None:
        """Raise `Failure` with 503 if no more event streams may be opened."""
        if self._streams >= STREAMS:
            raise Failure(503, f"{STREAMS} event streams are open, and no more may be", headers={"Retry-After": "10"})

    @contextmanager
    def stream(self) -> Iterator[None]:
        """An event stream, for as long as it is open."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1
