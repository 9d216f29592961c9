"""What a runner does, told as it happens to whoever listens.

A reader that is too slow loses the oldest events and hears how many; nobody ever waits for a reader. What other
processes do on the same store is not told here.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Literal

import trio
from attrs import Factory, define, frozen

from nexo_poller.clock import Clock

EventKind = Literal["tick", "state", "reload", "delivery", "lost"]
MOST_UNREAD: Final = 1000


@frozen(kw_only=True)
class RunnerEvent:
    """Something that a runner did at `at`.

    `data` can be written as JSON:

    - `tick`, committed: `job_id`, `kind`, `agent`, `status`, `error`, `duration_ms`, `items_seen`, `items_dispatched`,
      `messages`
    - `state`: `job_id`, `change` (`paused`, `resumed`, `reset`, `cursor`, `stale`) and the `reason`, or None
    - `delivery`: `job_id`, `message_id`, `topic` without its account, `outcome` (`delivered` or `dead`) and the `error`
    - `reload`: `add`, `replace`, `remove`, lists of ids, and `keep`, how many
    - `lost`: `count`, how many events this reader was too slow for
    """

    kind: EventKind
    at: datetime
    data: Mapping[str, Any]


@define(eq=False)
class Reader:
    """The events for one listener, from its beginning on."""

    _clock: Clock
    _unread: deque[RunnerEvent] = Factory(lambda: deque(maxlen=MOST_UNREAD))
    _lost: int = 0
    _heard: trio.Event = Factory(trio.Event)

    def hear(self, event: RunnerEvent) -> None:
        """Keep an event until it is read, or until there are too many."""
        if len(self._unread) == MOST_UNREAD:
            self._lost += 1
        self._unread.append(event)
        self._heard.set()

    def __aiter__(self) -> AsyncIterator[RunnerEvent]:
        """Itself."""
        return self

    async def __anext__(self) -> RunnerEvent:
        """The next event; there is always another."""
        await self._heard.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return RunnerEvent(kind="lost", at=self._clock.now(), data={"count": lost})
        event = self._unread.popleft()
        if not self._unread:
            self._heard = trio.Event()
        return event


@define(eq=False)
class Feed:
    """Tells every listener of a runner everything."""

    _clock: Clock
    _readers: list[Reader] = Factory(list)

    def tell(self, kind: EventKind, /, **data: Any) -> None:
        """It has just happened."""
        if self._readers:
            event = RunnerEvent(kind=kind, at=self._clock.now(), data=data)
            for reader in self._readers:
                reader.hear(event)

    @contextmanager
    def listening(self) -> Iterator[Reader]:
        """Hear what is told during the block."""
        reader = Reader(self._clock)
        self._readers.append(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)
