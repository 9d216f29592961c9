"""Where the demo's daemon is killed: in the middle of things, each time of another thing."""

from collections.abc import Callable
from enum import Enum

import trio
from attrs import define


class Moment(Enum):
    """A point at which to die. What it would break, if the daemon were built otherwise, stands beside it."""

    POST_UNREAD = "with a delivery on its way"  # lost, if it left the outbox before the receiver had it
    FETCHED = "with a tick's answer in hand"  # lost, if the cursor moved before the messages were safe
    POST_UNANSWERED = "before it heard that a delivery had arrived"  # repeated, if it came under a new id
    FETCHING = "with a tick under way"  # stuck, if nobody took the lease over


@define(eq=False)
class Trap:
    """Calls `kill` once, as soon as the moment is reached that it was set for."""

    kill: Callable[[], None]
    _set_for: Moment | None = None
    _sprung: trio.Event | None = None

    async def catch(self, moment: Moment) -> None:
        """Set the trap; return when the daemon was killed. Cancelled, the trap is taken away."""
        self._set_for, self._sprung = moment, trio.Event()
        try:
            await self._sprung.wait()
        finally:
            self._set_for = None

    def reached(self, moment: Moment) -> bool:
        """Whether the daemon was killed, because it had reached `moment` just now."""
        if self._set_for is not moment or self._sprung is None:
            return False
        self._set_for = None
        self.kill()
        self._sprung.set()
        return True
