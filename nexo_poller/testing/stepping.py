"""A tick that goes step by step, and is cancelled at one of them."""

import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, Final

import outcome
import trio
from attrs import define

MOST_GIVEN: Final = 100  # `Cancelled`s, to a tick that catches them in a loop
MOST_STEPS: Final = 2_000


class Endless(BaseException):
    """A tick goes on and on; not its to catch."""


@define(eq=False)
class Steps:
    """Counts the steps of a coroutine; cancels `scope` at the one numbered `cancel_at` (0: before the first).

    `given` counts how often the coroutine was then given `trio.Cancelled`, which should end it.
    """

    scope: trio.CancelScope
    cancel_at: int | None = None
    number: int = 0
    given: int = 0

    @types.coroutine
    def take(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """What `coroutine` returns. Raises `Endless` for one that goes on a hundred times in spite of it, or that takes 2,000 steps.

        What trio sends into a coroutine is an `outcome`, a cancellation too: see `trio/_core/_traps.py`.
        """
        sent: Any = None
        while True:
            if self.number == self.cancel_at:
                self.scope.cancel()
            try:
                trap = coroutine.send(sent)
            except StopIteration as stop:
                return stop.value
            sent = yield trap
            self.number += 1
            if self.scope.cancel_called and isinstance(sent, outcome.Error) and isinstance(sent.error, trio.Cancelled):
                self.given += 1
            if self.given > MOST_GIVEN or self.number > MOST_STEPS:
                with suppress(RuntimeError):  # it ignores this, too
                    coroutine.close()
                raise Endless
