"""Wall time that follows trio's `MockClock`."""

from datetime import UTC, datetime, timedelta

import trio

START = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock:
    """`start` (aware) when trio's clock reads what it reads now, and as much later as that clock moves on.

    Make it inside `trio.run`, under `trio.testing.MockClock`. Giving it to a runner or a store makes them do without
    threads, processes and sockets, whose deadlines would all pass at once when the clock jumps.
    """

    virtual = True

    def __init__(self, start: datetime = START) -> None:
        self._start = start.astimezone(UTC)
        self._origin = trio.current_time()

    def now(self) -> datetime:
        """The virtual moment, aware, UTC."""
        return self._start + timedelta(seconds=trio.current_time() - self._origin)
