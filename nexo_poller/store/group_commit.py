"""Many callers, one transaction: writes that arrive while one is in flight share the next.

Theory of operation. There is no writer task that somebody would have to own, outlive or shut down (C3): a caller that
finds no write in flight *leads*, and carries out everything that waits, its own call included, in one thread hop and
one transaction. When it is done it wakes its batch and hands the lead to the first of those who came meanwhile.

- A caller cancelled before its call was taken along leaves the queue, and its call never happened. Once taken along it
  waits for the answer: at most one local transaction, whose lock waits end at `BUSY_TIMEOUT`.
- A leader that is cancelled still leads its one batch: others depend on it.
- Calls must be safe to repeat. When a batch fails, nobody knows whose fault it was, or even whether it was saved (the
  disk may fill at COMMIT, an error may be raised after it). So the batch is rolled back if the transaction is still
  open, and each caller runs again alone (C2) and gets its own answer.
- `LeaseLost`, `JobRefused` and `JobUnknown` are answers, not failures: they are raised before anything was written.

Rejected: a savepoint a call (two statements more each), a writer task fed by a channel (to be cancelled last, a
deadlock when it is not).
"""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar, cast

import outcome
import trio
from attrs import define, field

from nexo_poller.errors import JobRefused, JobUnknown, LeaseLost
from nexo_poller.store import Batch

T = TypeVar("T")
ANSWERS: Final = (LeaseLost, JobRefused, JobUnknown)


class Transactions(Protocol):
    """A database, as far as group commit goes. All three methods block."""

    def begin(self) -> None:
        """Start a write transaction."""

    def commit(self) -> None:
        """Make it durable."""

    def roll_back(self) -> None:
        """Undo it, if it is still open."""


@define(eq=False)
class _Call:
    run: Callable[[], Any]
    result: outcome.Outcome[Any] | None = None
    woken: trio.Event = field(factory=trio.Event)


@define(eq=False)
class GroupCommit:
    """Runs calls against `db`, one transaction at a time.

    `hop` carries the work off the loop (or not at all); `observe`, which must not raise, hears of every batch.
    """

    db: Transactions
    hop: Callable[[Callable[[], None]], Awaitable[None]]
    observe: Callable[[Batch], None] = lambda _: None
    _waiting: deque[_Call] = field(factory=deque, init=False)
    _in_flight: bool = field(default=False, init=False)

    async def __call__(self, run: Callable[[], T]) -> T:
        """The result of `run`, called inside a transaction that has been made durable."""
        call = _Call(run)
        self._waiting.append(call)
        if self._in_flight:
            await self._turn(call)
        if call.result is None:
            await self._lead()
        return cast("T", cast("outcome.Outcome[Any]", call.result).unwrap())

    async def _turn(self, call: _Call) -> None:
        """Wait until the call was carried out by somebody else, or is the one to lead."""
        try:
            await call.woken.wait()
        except trio.Cancelled:
            if call in self._waiting:
                self._waiting.remove(call)
                if call.woken.is_set():  # it was to lead
                    self._hand_over()
                raise
            with trio.CancelScope(shield=True):  # taken along: its answer is one transaction away, and must be known
                await call.woken.wait()

    async def _lead(self) -> None:
        self._in_flight = True
        with trio.CancelScope(shield=True):  # the batch belongs to others as well
            await trio.lowlevel.checkpoint()  # whoever can run now gets aboard
            batch = tuple(self._waiting)
            self._waiting.clear()
            began = trio.current_time()
            try:
                await self.hop(lambda: self._transact(batch))
            except BaseException as error:  # noqa: BLE001 - no thread to be had, say: all who came along must hear of it
                for call in batch:
                    call.result = outcome.Error(error)
            self.observe(Batch(len(batch), timedelta(seconds=trio.current_time() - began)))
            for call in batch:
                call.woken.set()
            self._hand_over()

    def _hand_over(self) -> None:
        self._in_flight = bool(self._waiting)
        if self._waiting:
            self._waiting[0].woken.set()

    def _transact(self, batch: tuple[_Call, ...]) -> None:
        try:
            self.db.begin()
        except Exception as error:  # noqa: BLE001 - the database cannot be had, whoever asks: nobody is to ask again
            for call in batch:
                call.result = outcome.Error(error)
            return
        try:
            self._together(batch)
        except Exception:  # noqa: BLE001 - whatever it was, it is raised again to the caller whose call brings it about
            self.db.roll_back()
            for call in batch:
                call.result = outcome.capture(self._alone, call)

    def _together(self, batch: tuple[_Call, ...]) -> None:
        for call in batch:
            call.result = _answer(call)
        self.db.commit()

    def _alone(self, call: _Call) -> Any:
        try:
            self.db.begin()
            result = _answer(call)
            self.db.commit()
        except BaseException:
            self.db.roll_back()
            raise
        return result.unwrap()


def _answer(call: _Call) -> outcome.Outcome[Any]:
    try:
        return outcome.Value(call.run())
    except ANSWERS as refusal:
        return outcome.Error(refusal)
