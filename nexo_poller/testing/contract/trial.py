"""Ticks of a poller that is looked at closely."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import cattrs
import trio
from attrs import Factory, define, evolve, field

from nexo_poller.config.job_config import structure_config
from nexo_poller.errors import PermanentError, Problem
from nexo_poller.poller import PollContext, Poller, TickAck
from nexo_poller.testing.harness import Harness
from nexo_poller.testing.llm import FakeLlm
from nexo_poller.testing.result import TickResult
from nexo_poller.testing.stepping import Steps
from nexo_poller.testing.watching import Watch
from nexo_poller.testing.wrapped import WrappedPoller

LONGEST_SHOWN: Final = 200
Change = Callable[[PollContext[Any]], PollContext[Any]]


def as_it_is(ctx: PollContext[Any]) -> PollContext[Any]:
    """No change at all."""
    return ctx


class WatchedPoller(WrappedPoller):
    """Ticks step by step, under watch, in a context that `change` makes; notes how the tick `ended`."""

    def __init__(self, inner: Poller[Any], watch: Watch, steps: Steps, change: Change) -> None:
        super().__init__(inner)
        self.watch = watch
        self.steps = steps
        self.change = change
        self.ended: TickAck | BaseException | None = None

    async def tick(self, ctx: PollContext[Any]) -> TickAck:
        """See `Poller`."""
        ctx = self.change(ctx)
        config, before = ctx.config, cattrs.unstructure(ctx.config)
        self.watch.client = ctx.http
        with self.watch.watching():
            coroutine: Any = self.inner.tick(ctx)
            if not inspect.iscoroutine(coroutine):
                raise PermanentError(f"tick() is no coroutine but {type(coroutine).__name__} (write `async def tick`)")
            try:
                ack: TickAck = await self.steps.take(coroutine)
                self.ended = ack
            except BaseException as error:
                self.ended = error
                raise
            finally:
                after = cattrs.unstructure(config)
                if ctx.config is not config or after != before:
                    was, now = _difference(before, after) if ctx.config is config else (config, ctx.config)
                    self.watch.faults[
                        f"It changes ctx.config, from {was!r} to {now!r}, for all ticks after this one."
                    ] = "All ticks of a job share one config: copy what you change, and make the config `@frozen`."
        return ack


def _difference(before: Any, after: Any) -> tuple[Any, Any]:
    """The parts that differ, if there are parts."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        return {key: before.get(key) for key in keys}, {key: after.get(key) for key in keys}
    return before, after


def memory(poller: Poller[Any]) -> dict[str, str]:
    """The poller's attributes, as text."""
    return {name: repr(getattr(poller, name))[:LONGEST_SHOWN] for name in _attributes(poller) if hasattr(poller, name)}


def _attributes(poller: Poller[Any]) -> Iterator[str]:
    yield from vars(poller)
    for kind in type(poller).__mro__:
        slots = vars(kind).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


@define(eq=False)
class Ticked:
    """A tick that was looked at: what it came to, unless it was cancelled, how the poller itself ended it, its steps."""

    result: TickResult | None
    ended: TickAck | BaseException | None
    steps: Steps


@define(eq=False, kw_only=True)
class Trial:
    """A poller in a harness, with the config that is good; collects what is wrong with it in `problems`.

    `memory` is what the poller had before the first of them.
    """

    poller: Poller[Any]
    harness: Harness
    good: Mapping[str, Any]
    watch: Watch = Factory(Watch)
    problems: list[Problem] = Factory(list)
    memory: Mapping[str, str] = field(init=False)
    now: datetime = field(init=False)
    llm: FakeLlm = field(init=False)

    @memory.default
    def _of_the_new_poller(self) -> Mapping[str, str]:
        return memory(self.poller)

    @now.default
    def _the_same_for_all(self) -> datetime:
        return self.harness.clock.now()

    @llm.default
    def _of_the_test(self) -> FakeLlm:
        return self.harness.llm

    def wrong(self, what: str, remedy: str) -> None:
        """Note something that is wrong."""
        self.problems.append(Problem(what=what, remedy=remedy))

    async def tick(self, cursor: bytes | None = None, **changes: Any) -> TickResult:
        """One tick; the moment is the same for all, and `changes` are those of `tried`."""
        ticked = await self.tried(cursor, **changes)
        if ticked.result is None:
            raise trio.TrioInternalError("a tick that nobody cancelled was cancelled")
        return ticked.result

    async def tried(
        self,
        cursor: bytes | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        change: Change = as_it_is,
        cancel_at: int | None = None,
    ) -> Ticked:
        """One tick, on another `config` than the good one, with a changed context, or cancelled at a step."""
        self.harness.llm = self.llm.again()  # as servers do, it answers every tick alike
        with trio.CancelScope() as scope:
            steps = Steps(scope, cancel_at)
            poller = WatchedPoller(self.poller, self.watch, steps, lambda ctx: change(evolve(ctx, now=self.now)))
            result: TickResult | None = None
            result = await self.harness.tick(poller, config=self.good if config is None else config, cursor=cursor)
        self.watch.check_tasks()
        return Ticked(result, poller.ended, steps)

    def structured(self, config: Mapping[str, Any]) -> Any:
        """`config` as the poller wants it. Raises `ConfigError`."""
        with self.watch.watching(), self.watch.profiling():
            return structure_config(config, self.poller)
