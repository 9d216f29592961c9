"""Typical use of what stands around the library: tests of pollers, the admin app, plugins. Never runs, as `api.py`."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import assert_type

import httpx
from attrs import frozen
from quart_trio import QuartTrio

from nexo_poller import (
    AdminSettings,
    Config,
    DeadLetter,
    DeadLetterUnknown,
    Every,
    JobDetails,
    OutboundDelivery,
    Pending,
    PermanentError,
    PollContext,
    Poller,
    PollerRunner,
    ProviderSettings,
    ReloadPlan,
    RetrySettings,
    RunnerEvent,
    SqliteStore,
    TickAck,
    TickRecord,
    TransientError,
)
from nexo_poller.admin import Rules, admin_blueprint, mount
from nexo_poller.plugins import serve
from nexo_poller.testing import (
    Delivered,
    Handler,
    Harness,
    HttpServer,
    Routes,
    TickResult,
    Timeline,
    answer,
    assert_crash_safe,
    assert_poller_contract,
    etagged,
    http_server,
    in_turn,
    late,
    rate_limited,
)


@frozen
class StreamConfig:
    url: str


class StreamPoller(Poller[StreamConfig]):
    kind = "stream"
    config_type = StreamConfig

    async def tick(self, ctx: PollContext[StreamConfig]) -> TickAck:
        if (await ctx.http.get(ctx.config.url)).is_error:
            raise PermanentError("gone")
        return TickAck()


async def test_a_poller(poller_harness: Harness, poller_http_server: HttpServer) -> None:
    routes = poller_harness.http
    assert_type(routes, Routes)
    routes["/posts"] = in_turn(rate_limited(timedelta(minutes=2)), late(timedelta(seconds=1), etagged(answer(json=[]))))
    routes["POST /posts"] = lambda request: httpx.Response(201, content=request.content)
    routes["/posts"] = "text"  # type: ignore[assignment]  # a handler, such as answer(text="text")
    poller_harness.credentials["jira"] = {"account_id": "ana@example.com"}
    poller_harness.llm.reply("no news", input_tokens=3)
    poller_harness.llm.fail(TransientError("away", timedelta(seconds=3)))
    url = poller_http_server.url("/posts")
    result = await poller_harness.tick(StreamPoller(), config={"url": url}, cursor=b"1", agent="ana")
    assert_type(result, TickResult)
    assert_type(result.next_cursor, bytes | None)
    assert_type(result.deliveries, tuple[OutboundDelivery, ...])
    assert_type(await poller_harness.ticks(3), list[TickResult])
    await poller_harness.tick(StreamPoller, config={"url": url})  # type: ignore[arg-type]  # a class
    await poller_harness.tick(StreamPoller(), config={"url": url}, cursor="1")  # type: ignore[arg-type]


async def test_a_week(poller_harness: Harness) -> None:
    timeline = await poller_harness.run(StreamPoller(), schedule=Every(timedelta(hours=1)), for_=timedelta(days=7))
    assert_type(timeline, Timeline)
    assert_type(timeline.ticks, tuple[TickRecord, ...])
    assert_type(timeline.deliveries, tuple[Delivered, ...])
    good = {"url": "https://stream.example"}
    await assert_poller_contract(StreamPoller(), good=good, bad=[{"url": 1}], harness=poller_harness)
    await assert_poller_contract(StreamPoller(), good=good)  # type: ignore[call-arg]  # without a harness


async def test_any_moment(handler: Handler) -> None:
    routes = Routes(otherwise=handler)
    await assert_crash_safe(StreamPoller(), config={"url": "https://stream.example"}, http=routes)
    async with http_server(routes) as server:
        assert_type(server, HttpServer)


async def operate(runner: PollerRunner, config: Config) -> Mapping[str, int]:
    assert_type(await runner.details("stream"), JobDetails)
    assert_type(await runner.outbox(limit=10), list[Pending])
    letters: list[DeadLetter] = await runner.dead_letters()
    try:
        for letter in letters:
            await runner.replay_dead_letter(letter.seq)
    except DeadLetterUnknown as error:
        assert_type(error.seq, int)
    assert_type(runner.diff(config), ReloadPlan)
    with runner.events() as events:
        async for event in events:
            assert_type(event, RunnerEvent)
    return (await runner.statistics()).jobs


def configured() -> Config:
    provider = ProviderSettings(name="acme", api_key="${ACME}", retry=RetrySettings(max_attempts=2))
    return Config(admin=AdminSettings(token="long-enough"), providers={"acme": provider})


def mounted(app: QuartTrio) -> None:
    runner = PollerRunner.from_config(Path("./config"), store=SqliteStore("poller.db"))
    PollerRunner.from_config("./config", stoer=SqliteStore("poller.db"))  # type: ignore[call-arg]
    PollerRunner("./config")  # type: ignore[arg-type]  # a path is for from_config
    PollerRunner(None, SqliteStore("poller.db"))  # type: ignore[call-arg]  # parts go by their names
    runner.register(StreamPoller)  # type: ignore[arg-type]  # a class
    mount(app, runner, "/pollers", rules=Rules(hosts=frozenset({"ops.example"}), token="long-enough"))
    app.register_blueprint(admin_blueprint(runner))


def main() -> None:
    serve(StreamPoller(), StreamPoller())
    serve(StreamPoller)  # type: ignore[arg-type]  # a class
