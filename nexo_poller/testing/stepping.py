"""A tick that goes step by step, and is cancelled at one of them."""

import math
import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import outcome
import trio
import trio.testing
from attrs import define

from nexo_poller.words import span

MOST_GIVEN: Final = 100  # `Cancelled`s, to a tick that catches them in a loop
MOST_STEPS: Final = 2_000


LONGEST_SHIELD: Final = 5.0  # seconds: what a reload waits for a tick


class Endless(BaseException):
    """A tick goes on and on; not its to catch."""


class Shielded(BaseException):
    """A tick that was cancelled waits where it cannot be told; not its to catch."""


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
        """What `coroutine` returns.

        Raises `Endless` for one that goes on a hundred times in spite of it, or that takes 2,000 steps; in virtual time
        `Shielded`, for one that waits behind a shield that lasts longer than five seconds.

        What trio sends into a coroutine is an `outcome`, a cancellation too: see `trio/_core/_traps.py`.
        """
        sent: Any = None
        tasks_own = len(trio.lowlevel.current_task().child_nurseries)
        is_virtual = isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)
        while True:
            if self.number == self.cancel_at:
                self.scope.cancel()
            try:
                trap = coroutine.send(sent)
            except StopIteration as stop:
                return stop.value
            left = trio.current_effective_deadline() - trio.current_time()
            if (
                is_virtual  # real connections are closed behind shields of their libraries
                and self.scope.cancel_called
                and left > LONGEST_SHIELD
                and len(trio.lowlevel.current_task().child_nurseries) == tasks_own  # their tasks would be orphans
            ):
                self._end(coroutine)
                raise Shielded("for ever" if left == math.inf else f"for {span(timedelta(seconds=left))}")
            sent = yield trap
            self.number += 1
            if self.scope.cancel_called and isinstance(sent, outcome.Error) and isinstance(sent.error, trio.Cancelled):
                self.given += 1
            if self.given > MOST_GIVEN or self.number > MOST_STEPS:
                self._end(coroutine)
                raise Endless

    def _end(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        with suppress(RuntimeError):  # it ignores this, too
            coroutine.close()
