"""A runner in virtual time, with pollers that do as a test says."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from nexo_poller.broker import Event
from nexo_poller.broker.local import LocalBroker
from nexo_poller.clock import Clock
from nexo_poller.config.model import Config, GoogleAccount, JobSpec, Settings
from nexo_poller.credentials import Credentials
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import Deliver, LlmProvider, OutboundDelivery, PollContext, Poller, TickAck
from nexo_poller.runner.prometheus import PrometheusMetrics
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.schedule import Every
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.testing import VirtualClock

TO_ANA = Deliver("telegram", "1194292426")
DEFAULTS = Settings()
Tick = Callable[[PollContext[Any]], Awaitable[TickAck]]


@frozen
class NoConfig:
    deliver: Deliver = TO_ANA


@define(eq=False)
class Script(Poller[NoConfig]):
    """A poller of kind `script` whose tick is the given function; remembers when it ran, and on which cursor."""

    kind = "script"
    config_type = NoConfig

    act: Tick
    ran_at: list[datetime] = field(factory=list)
    cursors: list[bytes | None] = field(factory=list)
    cancelled: int = 0

    async def tick(self, ctx: PollContext[NoConfig]) -> TickAck:
        self.ran_at.append(ctx.now)
        self.cursors.append(ctx.cursor)
        try:
            return await self.act(ctx)
        except trio.Cancelled:
            self.cancelled += 1
            raise


async def nothing(_: PollContext[Any]) -> TickAck:
    await trio.lowlevel.checkpoint()
    return TickAck()


async def counting(ctx: PollContext[Any]) -> TickAck:
    """Sends the number of its tick, which is its cursor."""
    await trio.lowlevel.checkpoint()
    n = int(ctx.cursor or b"0") + 1
    return TickAck(next_cursor=str(n).encode(), deliver=[text(str(n))])


def text(message: str, **more: Any) -> OutboundDelivery:
    return OutboundDelivery(channel="telegram", recipient="1194292426", payload=message, **more)


def job(id: str = "inbox", **changes: Any) -> JobSpec:  # noqa: A002 - as the file calls it
    fields: Mapping[str, Any] = {
        "kind": "script",
        "agent": "ana",
        "schedule": Every(timedelta(minutes=1), jitter=timedelta()),
        **changes,
    }
    return JobSpec(id=id, **fields)


@define(eq=False)
class Daemon:
    """A serving runner and what it has sent, with the moments."""

    runner: PollerRunner
    clock: Clock
    metrics: PrometheusMetrics
    sent: list[tuple[datetime, Event]] = field(factory=list)

    def texts(self) -> list[str]:
        return [event.payload["text"] for _, event in self.sent]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    def wake_relay(self) -> None:
        assert self.runner._parts is not None
        self.runner._parts.relay.wake()

    async def take(self, event: Event) -> None:
        self.sent.append((self.clock.now(), event))


@asynccontextmanager
async def daemon(  # noqa: PLR0913 - each with its default
    path: Path,
    *jobs: JobSpec,
    act: Tick = nothing,
    pollers: tuple[Poller[Any], ...] = (),
    settings: Settings = DEFAULTS,
    agents: Mapping[str, Mapping[str, str]] | None = None,
    credentials: Credentials | None = None,
    google_accounts: tuple[GoogleAccount, ...] = (),
    llm_providers: Mapping[str, LlmProvider] | None = None,
    secrets: Sequence[str] = (),
    clock: Clock | None = None,
) -> AsyncIterator[Daemon]:
    """Serves during the block and is shut down after it; `path` is the folder of its database."""
    clock = clock or VirtualClock()
    metrics = PrometheusMetrics()
    async with HttpPools.open(clock=clock, transport=httpx.MockTransport(lambda _: httpx.Response(500))) as http:
        runner = PollerRunner(
            Config(
                jobs=jobs or (job(),),
                settings=settings,
                agents=agents,
                google_accounts=google_accounts,
                secrets=frozenset(secrets),
            ),
            store=SqliteStore(path / "poller.db", clock=clock),
            broker=LocalBroker(),
            clock=clock,
            metrics=metrics,
            http=http,
            credentials=credentials,
            llm_providers=llm_providers,
        )
        for poller in (Script(act), *pollers):
            runner.register(poller)
        daemon = Daemon(runner, clock, metrics)
        runner.subscribe("plugin.outbound.>", daemon.take)
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            yield daemon
            await runner.shutdown()
