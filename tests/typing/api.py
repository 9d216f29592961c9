"""Typical use of the library. Nothing here ever runs: it is written for mypy, which sees what users' checkers will see."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_never, assert_type

import httpx
import trio
from attrs import frozen

from nexo_poller import (
    At,
    Broker,
    Clock,
    Config,
    ConfigError,
    Cron,
    Deliver,
    DryRun,
    Event,
    Every,
    JobSpec,
    JobView,
    LlmInvokeRequest,
    LocalBroker,
    Metrics,
    OutboundDelivery,
    PollContext,
    Poller,
    PollerRunner,
    Problem,
    PrometheusMetrics,
    Settings,
    SqliteStore,
    Store,
    StoreStatistics,
    SystemClock,
    TickAck,
    TickMetrics,
    TickRecord,
    TickReport,
    Tool,
    ToolError,
    TransientError,
    load_config,
    parse_schedule,
)
from nexo_poller.tools import ToolRegistry, tools


@frozen
class JiraConfig:
    base_url: str
    deliver: Deliver


class JiraPoller(Poller[JiraConfig]):
    kind = "jira"
    config_type = JiraConfig

    def validate(self, config: JiraConfig) -> None:
        if not config.base_url:
            raise ConfigError(Problem(what="base_url is empty", key=("base_url",)))

    async def tick(self, ctx: PollContext[JiraConfig]) -> TickAck:
        assert_type(ctx.config, JiraConfig)
        assert_type(ctx.cursor, bytes | None)
        assert_type(ctx.interval_hint, timedelta)
        answer = await ctx.http.get(ctx.config.base_url)
        assert_type(answer, httpx.Response)
        if answer.is_server_error:
            raise TransientError("Jira is away", retry_after=timedelta(minutes=5))
        await ctx.host.broker_publish("jira.seen", b"{}")
        await ctx.host.metric_inc("jira_pages", {"site": "acme"})
        said = await ctx.host.llm_invoke(LlmInvokeRequest(messages=[{"role": "user", "content": answer.text}]))
        to = ctx.config.deliver
        return TickAck(
            deliver=[OutboundDelivery(channel=to.channel, recipient=to.to, payload={"text": said.content})],
            next_cursor=answer.content,
            metrics=TickMetrics(items_seen=1, items_dispatched=1),
        )

    def custom_tools(self) -> Sequence[Tool]:
        return [Tool(name="jira_search", description="", parameters={"type": "object"}, handler=search)]


async def search(runner: PollerRunner, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"jobs": len(await runner.list_jobs()), "for": arguments["agent_id"]}


def search_now(runner: PollerRunner, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


OutboundDelivery(channel="telegram", to="42", payload="")  # type: ignore[call-arg]  # that is Deliver's word
TickAck(deliver=OutboundDelivery(channel="telegram", recipient="42", payload=""))  # type: ignore[arg-type]  # a sequence
Tool(name="a", description="", parameters={}, handler=search_now)  # type: ignore[arg-type]  # handlers are async


async def answer(runner: PollerRunner) -> None:
    registry = tools(runner)
    assert_type(registry, ToolRegistry)
    assert_type(registry.list(), Sequence[Tool])
    try:
        assert_type(await registry.call("pollers_list", {}, agent_id="ana"), dict[str, Any])
    except ToolError as error:
        assert_type(error.problems, tuple[str, ...])
    await registry.call("pollers_list", {})  # type: ignore[call-arg]  # who calls is never left open


class Untyped(Poller[JiraConfig]):
    config_type = str  # type: ignore[assignment]  # another class than the one its ticks get

    async def tick(self, ctx: PollContext[str]) -> TickAck:  # type: ignore[override]
        return TickAck(next_cursor="text")  # type: ignore[arg-type]


class FrozenClock:
    virtual = False

    def now(self) -> datetime:
        return datetime(2026, 4, 26, tzinfo=UTC)


async def embed(registry_metrics: PrometheusMetrics) -> None:
    clock: Clock = FrozenClock()
    clock = SystemClock()
    store: Store = SqliteStore(Path("poller.db"), clock=clock)
    broker: Broker = LocalBroker()
    metrics: Metrics = registry_metrics
    jobs = (JobSpec(id="inbox", kind="jira", agent="ana", schedule=Every(timedelta(minutes=1))),)
    config = Config(settings=Settings(max_concurrent_ticks=8, state_db="poller.db"), jobs=jobs)
    runner = PollerRunner(config, store=store, broker=broker, clock=clock, metrics=metrics)
    assert_type(PollerRunner.from_config("./config").register(JiraPoller()), PollerRunner)
    assert_type(load_config(Path("./config")), Config | None)

    async def show(event: Event) -> None:
        await trio.lowlevel.checkpoint()
        assert_type(event.timestamp, datetime)

    runner.subscribe("plugin.outbound.>", show)
    runner.subscribe("plugin.outbound.>", print)  # type: ignore[arg-type]  # handlers are async
    async with trio.open_nursery() as nursery, broker.subscribe("jira.*") as events:
        await nursery.start(runner.serve)
        assert_type(await events.receive(), Event)
        assert_type(await runner.list_jobs(), list[JobView])
        assert_type(await runner.history("inbox"), list[TickRecord])
        assert_type(await runner.statistics(), StoreStatistics)
        assert_type(await runner.run_once("inbox"), TickReport)
        assert_type(await runner.dry_run("inbox"), DryRun)
        assert_type(runner.registered_kinds(), list[str])
        assert_type(await runner.pause("inbox", reason="moving"), bool)
        assert_type(await runner.resume("inbox"), bool)
        await runner.set_paused("inbox", True)
        await runner.reset_cursor("inbox")
        await runner.shutdown(timedelta(seconds=3))


def coming(mapping: dict[str, object], now: datetime) -> Sequence[datetime]:
    schedule = parse_schedule(mapping)
    assert_type(schedule.next_slot(now), datetime | None)
    match schedule:
        case Every():
            return [now + schedule.interval]
        case Cron():
            return [now.astimezone(schedule.zone)]
        case At():
            return [schedule.at]
        case _:
            assert_never(schedule)
