"""How often a provider is asked, by all jobs together."""

import trio
from attrs import Factory, define, field


@define(eq=False)
class RateLimit:
    """Turns that are at least `1 / per_second` seconds apart, handed out in the order in which they were asked for."""

    per_second: float
    _queue: trio.Lock = Factory(trio.Lock)  # whose waiters are served in order
    _next_turn: float = field(default=0.0, init=False)

    async def turn(self) -> None:
        """Return when it is the caller's turn. One who is cancelled in the queue takes none."""
        async with self._queue:
            await trio.sleep_until(self._next_turn)
            self._next_turn = trio.current_time() + 1 / self.per_second
