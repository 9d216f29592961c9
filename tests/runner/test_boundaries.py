"""What goes in and comes out of a runner besides ticks: rejected jobs, audit lines, secrets, host holds."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve, frozen
from daemon import Script, counting, daemon, job, text
from trio.testing import MockClock

from nexo_poller.broker.local import LocalBroker
from nexo_poller.config.model import Config, Settings
from nexo_poller.errors import BrokerUnavailable, JobRefused, TransientError
from nexo_poller.http.answers import raise_for_answer
from nexo_poller.http.pools import HttpPools
from nexo_poller.masking import fingerprint
from nexo_poller.poller import PollContext, Poller, TickAck
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.testing import VirtualClock

ANA = {"ana": {"telegram": "ana_bot"}}
Ctx = PollContext[Any]


async def test_a_job_that_is_wrong_is_listed_with_its_reason_and_its_siblings_run(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    script = Script(counting)
    jobs = [
        job("fine"),
        job("no-kind", kind="scirpt"),
        job("unbound", config={"deliver": {"channel": "whatsapp", "to": "1"}}),
        job("stranger", agent="bob"),
    ]
    async with daemon(tmp_path, *jobs, pollers=(script,), agents=ANA) as running:
        await trio.sleep(1)
        views = {view.id: view for view in await running.runner.list_jobs()}
        with pytest.raises(JobRefused, match=r"rejected: .*unknown kind 'scirpt'"):
            await running.runner.run_once("no-kind")
    assert running.texts() == ["1"]
    assert [view.id for view in views.values() if view.is_rejected] == ["no-kind", "unbound", "stranger"]
    assert "did you mean 'script'" in str(views["no-kind"].problems[0])
    assert "whatsapp" in str(views["unbound"].problems[0])
    assert "bob" in str(views["stranger"].problems[0])


async def test_an_unbound_channel_first_seen_in_an_ack_pauses_the_job(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def elsewhere(_: Ctx) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(next_cursor=b"7", deliver=[evolve(text("hello"), channel="whatsapp")])

    async with daemon(tmp_path, act=elsewhere, agents=ANA) as running:
        await trio.sleep(1)
        view = await running.runner.job("inbox")
    assert view.paused
    assert "agent 'ana' has no account for channel 'whatsapp'" in (view.last_error or "")


async def test_every_delivery_leaves_an_audit_line_with_a_fingerprint_instead_of_the_account(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "credentials.audit"):
        async with daemon(tmp_path, act=counting, agents=ANA):
            await trio.sleep(1)
    (line,) = (record for record in caplog.records if record.name == "credentials.audit")
    assert line.__dict__["fields"] == {
        "agent": "ana",
        "channel": "telegram",
        "fp": fingerprint("ana_bot"),
        "topic": "plugin.outbound.telegram",
        "direction": "outbound",
        "job_id": "inbox",
    }
    assert "ana_bot" not in caplog.text


async def test_secrets_are_masked_wherever_an_error_goes(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def leak(_: Ctx) -> TickAck:
        raise TransientError("GET https://ana:pass@example.org/x?token=abc said: bad key hunter2hunter2")

    clock = VirtualClock()
    config = Config(jobs=(job(),), settings=Settings(breaker_threshold=1), secrets=frozenset({"hunter2hunter2"}))
    async with HttpPools.open(clock=clock, transport=httpx.MockTransport(lambda _: httpx.Response(500))) as http:
        store = SqliteStore(tmp_path / "poller.db", clock=clock)
        runner = PollerRunner(config, store=store, broker=LocalBroker(), clock=clock, http=http)
        runner.register(Script(leak))
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            await trio.sleep(1)
            shown = [repr(await runner.job("inbox")), repr(await runner.history("inbox")), caplog.text]
            await runner.shutdown()
    assert "⚠ poller `inbox` (kind=script) failing" in caplog.text
    for text_ in shown:
        assert "example.org" in text_
        assert not [secret for secret in ("hunter2hunter2", "pass@", "abc") if secret in text_]


@frozen
class UrlConfig:
    url: str


class Fetch(Poller[UrlConfig]):
    kind = "fetch"
    config_type = UrlConfig

    async def tick(self, ctx: PollContext[UrlConfig]) -> TickAck:
        answer = await ctx.http.get(ctx.config.url)
        raise_for_answer(answer.status_code, answer.headers, ctx.now, host="example.org")
        return TickAck()


async def test_a_host_that_asks_one_job_to_wait_is_left_alone_by_all_and_costs_the_others_only_slots(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += request.url.host == "example.org"
        if request.url.path == "/busy":
            return httpx.Response(429, headers={"Retry-After": "150"})
        return httpx.Response(200)

    clock = VirtualClock()
    urls = {"busy": "http://example.org/busy", "other": "http://example.org/b", "elsewhere": "http://example.com/"}
    jobs = tuple(job(id, kind="fetch", config={"url": url}) for id, url in urls.items())  # noqa: A001
    async with HttpPools.open(clock=clock, transport=httpx.MockTransport(answer)) as http:
        store = SqliteStore(tmp_path / "poller.db", clock=clock)
        runner = PollerRunner(Config(jobs=jobs), store=store, clock=clock, http=http).register(Fetch())
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            await trio.sleep(130)
            history = {id: [tick.status for tick in await runner.history(id)] for id in urls}  # noqa: A001
            (view,) = (view for view in await runner.list_jobs() if view.id == "other")
            await runner.shutdown(timedelta())
    assert history["busy"] == ["transient"]
    assert history["elsewhere"] == ["ok", "ok", "ok"]
    assert history["other"][:2] == ["skipped", "skipped"]
    assert view.consecutive_errors == 0
    assert asked <= 2


async def test_accounts_do_not_appear_in_what_is_logged_of_a_failed_delivery(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_: Any) -> None:
        raise ValueError("nobody at plugin.outbound.telegram.ana_bot")

    settings = Settings(max_delivery_attempts=2)
    async with daemon(tmp_path, act=counting, agents=ANA, settings=settings) as running:
        running.runner.subscribe("plugin.outbound.>", refuse)
        await trio.sleep(30)
        (letter,) = await running.runner.store.dead_letters()
    assert fingerprint("ana_bot") in caplog.text
    assert "ana_bot" not in caplog.text + letter.error
    assert letter.message.topic == "plugin.outbound.telegram.ana_bot"


async def test_the_relay_says_so_when_what_it_sends_again_is_too_old_to_be_recognised(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def nobody_knows(_: Any) -> None:
        raise BrokerUnavailable("no answer")

    clock = VirtualClock()
    async with daemon(tmp_path, act=counting, clock=clock) as running:
        running.runner.subscribe("plugin.outbound.>", nobody_knows)
        await trio.sleep(1)
    await trio.sleep(60)
    async with daemon(tmp_path, job(paused_on_boot=True), clock=clock):
        await trio.sleep(1)
    assert "may have been accepted before" not in caplog.text
    async with daemon(tmp_path, act=counting, clock=clock) as running:
        await running.runner.resume("inbox")
        running.runner.subscribe("plugin.outbound.>", nobody_knows)
        await trio.sleep(1)
    await trio.sleep(600)
    async with daemon(tmp_path, job(paused_on_boot=True), clock=clock) as running:
        await trio.sleep(1)
        assert running.texts() == ["2"]
    assert caplog.text.count("may have been accepted before") == 1
