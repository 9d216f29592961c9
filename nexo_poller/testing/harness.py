"""Ticks and whole weeks of a poller, in virtual time and without a network."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import Factory, define, evolve, field

from nexo_poller.clock import Clock, SystemClock
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import Poller
from nexo_poller.schedule import At, Cron, Every
from nexo_poller.testing.clock import START, VirtualClock, waiting_for_threads
from nexo_poller.testing.credentials import FakeCredentials
from nexo_poller.testing.job import INTERVAL, Job
from nexo_poller.testing.llm import FakeLlm
from nexo_poller.testing.result import TickResult
from nexo_poller.testing.routes import Routes
from nexo_poller.testing.run import run
from nexo_poller.testing.surroundings import Surroundings
from nexo_poller.testing.tick import tick
from nexo_poller.testing.timeline import Timeline
from nexo_poller.words import counted

AGENT: Final = "ana"


@define(eq=False, kw_only=True, repr=False)
class Harness:
    """Runs pollers for a test, and keeps a `journal` of what they did, which a failing test shows.

    `http` answers their requests, `credentials` has their accounts, `llm` is their language model. `clock` tells the
    time that they see; in virtual time, `trio.sleep` moves it on. Get one with the fixture `poller_harness`.
    """

    clock: Clock
    http: Routes
    credentials: FakeCredentials = Factory(FakeCredentials)
    llm: FakeLlm = Factory(FakeLlm)
    journal: list[TickResult | Timeline] = Factory(list)
    _folder: Path
    _transport: httpx.AsyncBaseTransport
    _last: tuple[Job, TickResult] | None = field(default=None, init=False)
    _numbers: "count[int]" = field(factory=lambda: count(1), init=False)

    async def tick(
        self,
        poller: Poller[Any],
        *,
        config: Mapping[str, Any] | None = None,
        cursor: bytes | None = None,
        agent: str = AGENT,
    ) -> TickResult:
        """Run one tick, under the lifespan, the time limit and the classification of errors that a runner has.

        `config` is the mapping that `pollers.yaml` would have.

        Raises `ConfigError` with every problem of `config`; `TypeError` for what is no poller; what a handler of `http`
        raised, `NoRoute` too. What the tick itself raises is in the result.
        """
        return await self._tick(Job.bound(poller, config or {}, agent, self._surroundings(self.clock)), cursor)

    async def dry_run(
        self,
        poller: Poller[Any],
        *,
        config: Mapping[str, Any] | None = None,
        cursor: bytes | None = None,
        agent: str = AGENT,
    ) -> TickResult:
        """The same with `ctx.is_dry_run`, as `nexo-poller test` and `run --dry-run` tick: it should change nothing outside."""
        job = Job.bound(poller, config or {}, agent, self._surroundings(self.clock))
        return await self._tick(evolve(job, is_dry_run=True), cursor)

    async def ticks(self, n: int) -> list[TickResult]:
        """Run `n` more ticks of the poller of the last one, each on the cursor that the one before it left.

        In virtual time they are five minutes apart. Raises as `tick`; `RuntimeError` if there was none.
        """
        results: list[TickResult] = []
        for _ in range(n):
            if self._last is None:
                raise RuntimeError("ticks(n) carries on after a tick: await harness.tick(MyPoller(), config={…}) first")
            job, before = self._last
            if self.clock.virtual:
                await trio.sleep(INTERVAL.total_seconds())
            results.append(await self._tick(job, before.next_cursor))
        return results

    async def run(  # noqa: PLR0913 - each with its default, or its name
        self,
        poller: Poller[Any],
        *,
        schedule: Every | Cron | At,
        for_: timedelta,
        config: Mapping[str, Any] | None = None,
        agent: str = AGENT,
        start: datetime = START,
    ) -> Timeline:
        """Let the real runner run the poller on `schedule` for this long, on a new store in a temporary folder.

        For the runner it is `start` (aware) when it begins, and the slot at the very end is not in. Jitter is off, unless
        `schedule` has its own, and the backoff's dice fall the same in every run, so that two runs can be compared.

        A tick that is under way at the end has ten seconds to finish, as at the shutdown of a daemon.

        Raises as `tick`; `ValueError` for no time at all, or a `start` without a zone; `RuntimeError` in real time, which
        a test with `poller_http_server` is in.
        """
        if not isinstance(for_, timedelta):
            raise TypeError(f"for_ must be timedelta, not {type(for_).__name__}; write timedelta(days=7)")
        if for_ <= timedelta():
            raise ValueError(f"for_={for_!r} is no time to run: say how long, as in for_=timedelta(days=7)")
        if not self.clock.virtual:
            raise RuntimeError(
                f"{for_} would take as long in real time, which a test with a real server is in (O5): "
                "leave poller_http_server out, and say with harness.http what servers answer"
            )
        job = Job.bound(poller, config or {}, agent, self._surroundings(VirtualClock(start)))
        file = self._folder / f"run-{next(self._numbers)}.db"
        timeline = await run(job, schedule, for_=for_, file=file)
        self.journal.append(timeline)
        self.http.check()
        return timeline

    async def _tick(self, job: Job, cursor: bytes | None) -> TickResult:
        result = await tick(job, cursor)
        self._last = job, result
        self.journal.append(result)
        self.http.check()
        return result

    def _surroundings(self, clock: Clock) -> Surroundings:
        """New pools every time, so that what a server asked of one job holds no other back."""
        return Surroundings(
            clock=clock,
            http=HttpPools.opened(clock=clock, transport=self._transport),
            credentials=self.credentials,
            llm=self.llm,
        )

    def __repr__(self) -> str:
        return f"<Harness with {counted(len(self.journal), 'result')}>"

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.journal))


@asynccontextmanager
async def virtual_harness(folder: Path, routes: Routes) -> AsyncIterator[Harness]:
    """A harness in virtual time, whose requests go to `routes` without a network. Open it under trio's `MockClock`."""
    with waiting_for_threads():
        yield Harness(clock=VirtualClock(), http=routes, folder=folder, transport=httpx.MockTransport(routes))


@asynccontextmanager
async def real_harness(folder: Path, routes: Routes) -> AsyncIterator[Harness]:
    """A harness in real time, whose requests go to real servers on this machine; one of them may serve `routes`."""
    from nexo_poller.http.guard import private_too
    from nexo_poller.http.network import PoolTransport

    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading them would be most of a test's time
    transport = PoolTransport.guarded_by(private_too, no_authorities)
    try:
        yield Harness(clock=SystemClock(), http=routes, folder=folder, transport=transport)
    finally:
        await transport.aclose()
