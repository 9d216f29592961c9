"""Ticks and whole weeks of a poller, in virtual time and without a network."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import Factory, define, field, frozen

from nexo_poller.clock import Clock
from nexo_poller.config.job_config import structure_config
from nexo_poller.config.model import JobSpec, Settings
from nexo_poller.errors import PermanentError
from nexo_poller.http.pools import HttpPools
from nexo_poller.masking import Mask
from nexo_poller.poller import PollContext, Poller, TickAck
from nexo_poller.runner.outgoing import Sender
from nexo_poller.runner.tick import Ended, run_tick
from nexo_poller.schedule import Every
from nexo_poller.testing.clock import VirtualClock
from nexo_poller.testing.credentials import FakeCredentials
from nexo_poller.testing.host import RecordingHost
from nexo_poller.testing.llm import FakeLlm
from nexo_poller.testing.result import TickResult
from nexo_poller.testing.routes import Routes

INTERVAL: Final = timedelta(minutes=5)
AGENT: Final = "ana"
SETTINGS: Final = Settings()


@frozen(kw_only=True)
class Job:
    """What is ticked: a poller with a config, for an agent."""

    poller: Poller[Any]
    config: Mapping[str, Any]
    agent: str

    @property
    def spec(self) -> JobSpec:
        """The entry of `pollers.yaml` that this would be; its id is its kind."""
        kind = self.poller.kind
        return JobSpec(id=kind, kind=kind, agent=self.agent, schedule=Every(INTERVAL), config=self.config)


@define(eq=False, kw_only=True)
class Harness:
    """Runs pollers for a test, and keeps a `journal` of what they did, which a failing test shows.

    `http` answers their requests, `credentials` has their accounts, `llm` is their language model. `clock` tells the
    time that they see. Get one with the fixture `poller_harness`.
    """

    clock: Clock
    folder: Path
    http: Routes
    credentials: FakeCredentials = Factory(FakeCredentials)
    llm: FakeLlm = Factory(FakeLlm)
    journal: list[TickResult] = Factory(list)
    _pools: HttpPools = field(repr=False)
    _job: Job | None = field(default=None, init=False, repr=False)

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

        Raises `ConfigError` with every problem of `config`; what a handler of `http` raised, `NoRoute` too. What the tick
        itself raises is in the result.
        """
        self._job = Job(poller=poller, config=config or {}, agent=agent)
        return await self._tick(self._job, cursor)

    async def ticks(self, n: int) -> list[TickResult]:
        """Run `n` more ticks of the poller of the last one, each on the cursor that the one before it left.

        In virtual time they are five minutes apart. Raises as `tick`; `RuntimeError` if there was none.
        """
        if self._job is None:
            raise RuntimeError("ticks(n) carries on after a tick: await harness.tick(MyPoller(), config={…}) first")
        results: list[TickResult] = []
        for _ in range(n):
            if self.clock.virtual:
                await trio.sleep(INTERVAL.total_seconds())
            results.append(await self._tick(self._job, self.journal[-1].next_cursor))
        return results

    async def _tick(self, job: Job, cursor: bytes | None) -> TickResult:
        config = structure_config(job.config, job.poller)
        host = RecordingHost.of(job.spec, self.credentials, self.llm)
        at, began = self.clock.now(), trio.current_time()
        async with job.poller.lifespan(self.clock), job.poller.place():
            context: PollContext[Any] = PollContext(
                job_id=job.spec.id,
                agent_id=job.agent,
                kind=job.poller.kind,
                config=config,
                cursor=cursor,
                now=at,
                interval_hint=INTERVAL,
                host=host,
                open_http=lambda: self._pools.client_for(config),
            )
            ended = self._sendable(await run_tick(job.poller, context, SETTINGS.tick_timeout), job.spec, host)
        ack = ended if isinstance(ended, TickAck) else None
        result = TickResult(
            kind=job.poller.kind,
            at=at,
            duration=timedelta(seconds=trio.current_time() - began),
            cursor=cursor,
            ack=ack,
            error=None if isinstance(ended, TickAck) else ended,
            published=tuple(host.published) if ack else (),
            logs=tuple(host.logs),
            metrics=host.metrics,
        )
        self.journal.append(result)
        self.http.check()
        return result

    def _sendable(self, ended: Ended, spec: JobSpec, host: RecordingHost) -> Ended:
        """How the tick ended, or why its messages cannot be sent."""
        if not isinstance(ended, TickAck):
            return ended
        sender = Sender(job=spec, agents=None, store_id="", fence=1, now=self.clock.now(), mask=Mask(()))
        try:
            sender.everything(ended.deliver, host.published, SETTINGS.max_pending_per_job)
        except PermanentError as error:
            return error
        return ended


@asynccontextmanager
async def virtual_harness(folder: Path, routes: Routes) -> AsyncIterator[Harness]:
    """A harness in virtual time, whose requests go to `routes`. Open it under trio's `MockClock`."""
    clock = VirtualClock()
    async with HttpPools.open(clock=clock, transport=httpx.MockTransport(routes)) as pools:
        yield Harness(clock=clock, folder=folder, http=routes, pools=pools)
