"""Points at which a process can be made to stop for good, waiting to be killed."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import trio
from attrs import Factory, define

from nexo_poller.broker import Message
from nexo_poller.broker.local import LocalBroker
from nexo_poller.clock import Clock
from nexo_poller.store import Claim, ClaimRequest, Commit, NotNow
from nexo_poller.store.sqlite import SqliteStore

POINTS: Final[Mapping[str, str]] = {
    "claimed": "the lease was in the file, the tick had not begun",
    "asking": "a request of the tick's had not been sent",
    "answered": "a request of the tick's had been answered, and the tick had not seen it",
    "ticked": "the tick had returned, and nothing of it was in the file",
    "committing": "in the commit's transaction, between the cursor and the messages",
    "saved": "the commit was in the file, the runner had not heard of it",
    "publishing": "the broker had not been asked to publish",
    "published": "the broker had accepted, and the message was not deleted",
    "deleting": "in the delete's transaction",
}
STATEMENTS: Final = {"INSERT INTO poll_outbox": "committing", "DELETE FROM poll_outbox": "deleting"}


@define(eq=False)
class Trap:
    """Calls `sprung` when `point`, one of `POINTS`, is passed once more than `passes` times; `passed` counts them all."""

    point: str
    passes: int
    sprung: Callable[[str], None]
    passed: Counter[str] = Factory(Counter)

    def springs(self, point: str) -> bool:
        """Whether this is the point and the time; then whoever asked goes no further."""
        self.passed[point] += 1
        if point != self.point or self.passed[point] != self.passes + 1:
            return False
        self.sprung(point)
        return True

    async def passes_by(self, point: str) -> None:
        """Go no further if this is the point and the time."""
        if self.springs(point):
            await trio.sleep_forever()


class TrappedStore(SqliteStore):
    """A store whose statements and answers may be the last."""

    def __init__(self, path: Path, trap: Trap, *, clock: Clock | None = None) -> None:
        super().__init__(path, clock=clock)
        self.trap = trap

    async def __aenter__(self) -> Self:
        """Open the file, and set the trap."""
        await super().__aenter__()
        self._writer.exec_trace = self._stop_before
        return self

    def _stop_before(self, _cursor: object, sql: str, _bindings: object) -> bool:
        for beginning, point in STATEMENTS.items():
            if sql.strip().startswith(beginning) and self.trap.springs(point):
                threading.Event().wait()
        return True

    async def claim(self, request: ClaimRequest, **options: Any) -> Claim | NotNow:
        """See `Store`."""
        claim = await super().claim(request, **options)
        if isinstance(claim, Claim):
            await self.trap.passes_by("claimed")
        return claim

    async def commit(self, claim: Claim, commit: Commit, **options: Any) -> None:
        """See `Store`."""
        await super().commit(claim, commit, **options)
        if commit.outgoing:
            await self.trap.passes_by("saved")


class TrappedBroker(LocalBroker):
    """A broker whose publishing may be the last thing that happens."""

    def __init__(self, trap: Trap) -> None:
        super().__init__()
        self.trap = trap

    async def publish(self, message: Message) -> None:
        """See `Broker`."""
        await self.trap.passes_by("publishing")
        await super().publish(message)
        await self.trap.passes_by("published")
