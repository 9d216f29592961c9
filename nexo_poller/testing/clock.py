"""Wall time that follows trio's `MockClock`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import trio
import trio.testing

START = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_HOLD: Final = 10.0  # real seconds in which nothing else happens, after which the thread is not waited for


class VirtualClock:
    """`start` (aware) when trio's clock reads what it reads now, and as much later as that clock moves on.

    Make it inside `trio.run`, under `trio.testing.MockClock`. Giving it to a runner or a store makes them do without
    threads, processes and sockets, whose deadlines would all pass at once when the clock jumps.

    Raises `ValueError` for a `start` without a zone.
    """

    virtual = True

    def __init__(self, start: datetime = START) -> None:
        if start.utcoffset() is None:
            raise ValueError(
                f"{start!r} could be any moment: say in which zone, as in datetime(2026, 1, 1, tzinfo=UTC)"
            )
        self._start = start.astimezone(UTC)
        self._origin = trio.current_time()

    def now(self) -> datetime:
        """The virtual moment, aware, UTC."""
        return self._start + timedelta(seconds=trio.current_time() - self._origin)


class HeldByThreads(trio.abc.Instrument):
    """Lets no clock jump while a thread of `trio.to_thread` works: its tick's deadline would have passed at once.

    For ten seconds at most, so that a thread that never ends, or itself waits for the clock, meets its tick's deadline
    instead of holding up the test. Seen are the threads of trio's default limiter.
    """

    def __init__(self, clock: trio.testing.MockClock) -> None:
        self._clock = clock
        self._limiter = trio.to_thread.current_default_thread_limiter()
        self._before: float | None = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - the interface's
        """See `trio.abc.Instrument`."""
        if not self._limiter.borrowed_tokens:
            self.let_go()
        elif self._clock.autojump_threshold < LONGEST_HOLD:  # or else somebody else holds it
            self._before = self._clock.autojump_threshold
            self._clock.autojump_threshold = LONGEST_HOLD

    def let_go(self) -> None:
        """Let the clock jump as it did before."""
        if self._before is not None:
            self._clock.autojump_threshold, self._before = self._before, None


@contextmanager
def waiting_for_threads() -> Iterator[None]:
    """In virtual time, threads that are begun in the block take none of it."""
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, trio.testing.MockClock):
        yield
        return
    held = HeldByThreads(clock)
    trio.lowlevel.add_instrument(held)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(held)
        held.let_go()  # a thread that was abandoned still works
