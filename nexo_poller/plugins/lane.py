"""An order for what is begun in one order, and then done by tasks of its own, which trio runs in any."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import Factory, define, frozen


@frozen(eq=False)
class Place:
    """A place in a lane, to be used once."""

    _before: trio.Event | None
    over: trio.Event = Factory(trio.Event)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The block runs when all who joined before are through."""
        try:
            if self._before is not None:
                await self._before.wait()
            yield
        finally:
            self.over.set()


@define(eq=False)
class Lane:
    """Lets through one at a time, in the order in which they joined. Whoever joins must take their turn."""

    _last: trio.Event | None = None

    def join(self) -> Place:
        """A place behind all who joined before."""
        place = Place(self._last)
        self._last = place.over
        return place

    async def empty(self) -> None:
        """Return when all who have joined so far are through."""
        if self._last is not None:
            await self._last.wait()
