"""An answer that takes long to make, made once for all who ask for it meanwhile.

Ticks come first. Python runs one thread at a time, so that whoever renders, on the loop or beside it, has ticks wait; a
few clients that ask again and again would have it do nothing else. Hence a pause after each making, several times as long
as that took. Who asks during either shares the next answer, and so nobody gets one that was begun before the question:
what a caller has changed is in it.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final

import trio
from attrs import Factory, define

PAUSES: Final = 4.0  # a fifth of the time goes to answers


@define(eq=False)
class Shared:
    """The latest answer to one question, and when it was begun."""

    _answer: bytes = b""
    _begun: float = -math.inf
    _pause_ends: float = -math.inf
    _making: trio.Lock = Factory(trio.Lock)

    async def get(self, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What `make` returns or has returned to somebody else, begun after this call. Raises whatever it raises."""
        asked = trio.current_time()
        async with self._making:
            if self._begun <= asked:
                await trio.sleep_until(self._pause_ends)
                begun = trio.current_time()
                self._answer = await make()
                ended = trio.current_time()
                self._begun, self._pause_ends = begun, ended + PAUSES * (ended - begun)
            return self._answer
