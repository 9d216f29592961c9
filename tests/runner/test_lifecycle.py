"""Opening, stopping and opening again, and what must not come between."""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
import trio
from attrs import define
from daemon import Script, counting, daemon, job, nothing
from trio.testing import MockClock, wait_all_tasks_blocked

from nexo_poller.broker import Message
from nexo_poller.broker.local import LocalBroker
from nexo_poller.clock import Clock
from nexo_poller.config.model import Config, Settings
from nexo_poller.errors import HostError, JobRefused, TransientError
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.store import Claim, ClaimRequest, NotNow
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.testing import VirtualClock

SECOND = timedelta(seconds=1)
Ctx = PollContext[Any]


class SlowStore(SqliteStore):
    """A store whose opening and claims take ten seconds."""

    async def __aenter__(self) -> Self:
        await trio.sleep(10)
        await super().__aenter__()
        return self

    async def claim(self, request: ClaimRequest, *, now: datetime | None = None) -> Claim | NotNow:
        with trio.CancelScope(shield=True):
            answer = await super().claim(request, now=now)
            await trio.sleep(10)
        return answer


def slow_runner(path: Path, clock: Clock, script: Script) -> PollerRunner:
    runner = PollerRunner(Config(jobs=(job(),)), store=SlowStore(path / "poller.db", clock=clock), clock=clock)
    return runner.register(script)


async def test_a_shutdown_while_it_opens_ends_it_before_any_tick(tmp_path: Path, autojump_clock: MockClock) -> None:
    script = Script(nothing)
    runner = slow_runner(tmp_path, VirtualClock(), script)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.serve)
        await wait_all_tasks_blocked()
        await runner.shutdown()
        await wait_all_tasks_blocked()
        assert not nursery.child_tasks
    assert script.ran_at == []


async def test_a_runner_serves_once_at_a_time_and_may_serve_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    script = Script(counting)
    runner = slow_runner(tmp_path, VirtualClock(), script)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.serve)
        await wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="serves already"):
            await runner.serve()
        with pytest.raises(RuntimeError, match="open already"):
            async with runner.opened():
                pass
        await trio.sleep(30)
        assert len(script.ran_at) == 1
        await runner.shutdown()
        await nursery.start(runner.serve)
        await trio.sleep(90)
        await runner.shutdown()
    assert script.cursors == [None, b"1"]


async def test_a_run_by_hand_is_refused_once_a_shutdown_has_begun(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def slow(ctx: Ctx) -> TickAck:
        await trio.sleep(5)
        return await nothing(ctx)

    async with daemon(tmp_path, act=slow) as running, trio.open_nursery() as nursery:
        await trio.sleep(1)
        nursery.start_soon(running.runner.shutdown)
        await wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="about to stop"):
            await running.runner.run_once("inbox")


async def test_a_run_by_hand_joins_a_claim_under_way_so_that_two_ticks_never_run_side_by_side(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    at_once, most = 0, 0

    async def watched(_: Ctx) -> TickAck:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            await trio.sleep(20)
        finally:
            at_once -= 1
        return TickAck()

    script = Script(watched)
    runner = slow_runner(tmp_path, VirtualClock(), script)
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        await trio.sleep(5)
        assert (await runner.run_once("inbox")).status == "ok"
        await runner.shutdown(timedelta())
    assert most == 1
    assert script.cancelled == 0


async def test_a_run_by_hand_waits_for_a_place_unless_a_tick_asks_for_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def tick(ctx: Ctx) -> TickAck:
        if ctx.job_id == "asks":
            assert (await running.runner.run_once("asked")).status == "ok"
        elif ctx.job_id == "long":
            await trio.sleep(100)
        return await nothing(ctx)

    script = Script(tick)
    jobs = (job("long"), *(job(name, paused_on_boot=True) for name in ("asks", "asked")))
    async with daemon(tmp_path, *jobs, pollers=(script,), settings=Settings(max_concurrent_ticks=1)) as running:
        await trio.sleep(1)
        start = running.clock.now()
        with trio.fail_after(300):
            assert (await running.runner.run_once("asks")).status == "ok"
        assert running.clock.now() - start >= 98 * SECOND


async def test_a_run_by_hand_that_a_reset_fences_out_says_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def slow(_: Ctx) -> TickAck:
        await trio.sleep(20)
        return TickAck()

    async with (
        daemon(tmp_path, job(paused_on_boot=True), act=slow) as running,
        trio.open_nursery() as nursery,
    ):

        @nursery.start_soon
        async def run() -> None:
            with pytest.raises(JobRefused, match="nothing was saved"):
                await running.runner.run_once("inbox")

        await trio.sleep(1)
        await running.runner.reset_cursor("inbox")


async def test_what_a_poller_raises_for_being_cut_off_is_no_error_of_its(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def touchy(_: Ctx) -> TickAck:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cut:
            raise ValueError("how rude") from cut
        raise AssertionError

    clock = VirtualClock()
    async with daemon(tmp_path, act=touchy, clock=clock) as running:
        await trio.sleep(1)
        await running.runner.shutdown(SECOND)
    async with daemon(tmp_path, job(paused_on_boot=True), clock=clock) as running:
        view = await running.runner.job("inbox")
    assert (view.consecutive_errors, view.last_error) == (0, None)


async def test_what_is_no_pattern_is_refused_on_the_spot_and_the_daemon_goes_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with daemon(tmp_path, act=counting) as running:
        with pytest.raises(ValueError, match="wildcard out of place"):
            running.runner.subscribe("a.>.b", running.take)
        await trio.sleep(61)
    assert running.texts() == ["1", "2"]


@define(eq=False)
class Moody(LocalBroker):
    """A broker with a fault of its own."""

    faults: int = 2

    async def publish(self, message: Message) -> None:
        if self.faults:
            self.faults -= 1
            raise KeyError("a bug")
        await super().publish(message)


async def test_a_fault_of_the_broker_holds_messages_back_and_loses_none(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock, texts = VirtualClock(), list[str]()

    async def take(event: Any) -> None:
        texts.append(event.payload["text"])

    runner = PollerRunner(
        Config(jobs=(job(),)), store=SqliteStore(tmp_path / "p.db", clock=clock), broker=Moody(), clock=clock
    ).register(Script(counting))
    runner.subscribe("plugin.>", take)
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        await trio.sleep(70)
        assert await runner.store.dead_letters() == []
        await runner.shutdown()
    assert texts == ["1", "2"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [("a b", b"{}"), ("a.*", b"{}"), ("a", b"\xff"), ("a", b"x" * 2**20), ("a", "text"), (7, b"{}")],
)
async def test_what_cannot_be_published_is_refused_on_the_spot(
    topic: Any, payload: Any, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def publish(ctx: Ctx) -> TickAck:
        with pytest.raises(HostError):
            await ctx.host.broker_publish(topic, payload)
        return TickAck()

    async with daemon(tmp_path, job(paused_on_boot=True), act=publish) as running:
        assert (await running.runner.run_once("inbox")).error is None


async def test_without_a_place_for_alerts_trouble_is_logged_as_an_error_and_its_end_as_news(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def once_bad(ctx: Ctx) -> TickAck:
        if len(script.ran_at) == 1:
            raise TransientError("503 from https://ana:hunter22@example.org/?token=abc")
        return await nothing(ctx)

    script = Script(once_bad)
    caplog.set_level(logging.DEBUG)
    async with daemon(tmp_path, pollers=(script,), settings=Settings(breaker_threshold=1)):
        await trio.sleep(61)
    levels = {record.levelname for record in caplog.records if "failing:" in record.getMessage()}
    assert levels == {"ERROR"}
    assert {record.levelname for record in caplog.records if "recovered" in record.getMessage()} == {"INFO"}
    assert "Traceback" in caplog.text
    assert "hunter22" not in caplog.text
    assert "abc" not in caplog.text


async def test_a_shutdown_that_is_cancelled_ends_the_runner_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def long(_: Ctx) -> TickAck:
        await trio.sleep(100)
        return TickAck()

    async with daemon(tmp_path, act=long) as running:
        await trio.sleep(1)
        with trio.move_on_after(1):
            await running.runner.shutdown(timedelta(seconds=50))
        await wait_all_tasks_blocked()
        assert not running.runner.is_serving
        with pytest.raises(RuntimeError, match="not open"):
            await running.runner.list_jobs()


async def test_a_grace_below_nothing_is_none(tmp_path: Path, autojump_clock: MockClock) -> None:
    script = Script(nothing)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(1)
        await running.runner.shutdown(-SECOND)
        assert not running.runner.is_serving


async def test_every_start_says_which_jobs_are_paused_and_why(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    async with daemon(tmp_path, clock=clock) as running:
        await running.runner.pause("inbox", reason="ana: away")
    async with daemon(tmp_path, clock=clock):
        pass
    assert "job 'inbox' is paused: ana: away" in caplog.text
