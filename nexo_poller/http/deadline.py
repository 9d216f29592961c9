"""The moment by which a whole request must be over, over all its redirects and every piece of its body."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import trio
from attrs import define

from nexo_poller.http.errors import RequestTooSlow


@define(eq=False)
class Deadline:
    """`limit` from its making on, not counting the time that is spent inside `paused`."""

    _limit: timedelta
    _at: float

    @classmethod
    def after(cls, limit: timedelta) -> "Deadline":
        """A deadline whose time begins to run now."""
        return cls(limit, trio.current_time() + limit.total_seconds())

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Cancel the block at the deadline, and raise `RequestTooSlow` in its place."""
        with trio.CancelScope(deadline=self._at) as scope:
            yield
        if scope.cancelled_caught:
            raise RequestTooSlow(self._limit)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time in the block does not count."""
        began = trio.current_time()
        yield
        self._at += trio.current_time() - began
