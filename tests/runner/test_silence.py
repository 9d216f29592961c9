"""Jobs that have had no success for longer than they say."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from daemon import daemon, job, nothing
from trio.testing import MockClock

from nexo_poller import Deliver, Event, PollContext, RunnerEvent, Settings, TickAck
from nexo_poller.runner.silence import LOOK_SECS, SETTLE_SECS
from nexo_poller.schedule import At, Every
from nexo_poller.testing import VirtualClock

HOUR: Final = timedelta(hours=1)
OPS: Final = Deliver("telegram", "ops")
STALE: Final[Mapping[str, Any]] = {"stale_after": 2 * HOUR, "failure_to": OPS}


async def to_nobody(ctx: PollContext[Any]) -> TickAck:
    """Fills its outbox at once."""
    await ctx.host.broker_publish("nobody.listens", b"{}")
    return TickAck()


async def take(_: Event) -> None:
    await trio.lowlevel.checkpoint()


async def hours(number: float) -> None:
    await trio.sleep(number * 3600 + SETTLE_SECS + LOOK_SECS)


async def test_a_job_whose_outbox_is_full_alerts_though_nothing_fails(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    settings = Settings(max_pending_per_job=1)
    async with daemon(tmp_path, job(**STALE), act=to_nobody, settings=settings) as running:
        with running.runner.events() as events:
            await hours(2)
            view = await running.runner.job("inbox")
            assert view.stale
            [told] = running.texts()
            await trio.sleep(3600)
            [_, reminder] = running.texts()
            changes = list[RunnerEvent]()
            while len(changes) < 2:
                changes += [event for event in [await anext(events)] if event.kind == "state"]
        async with running.runner.broker.handle("nobody.listens", take):
            await trio.sleep(120)
        assert not (await running.runner.job("inbox")).stale
    since = f"{view.last_success_at:%Y-%m-%dT%H:%M:%SZ}"
    why = f"no success since {since}; nothing failed, it did not run"
    assert told == f"⚠ poller `inbox` (kind=script) failing: {why}"
    assert reminder == f"⚠ poller `inbox` (kind=script) still failing since {since}: {why}"
    assert [(event.kind, event.data["change"], event.data["reason"]) for event in changes] == [
        ("state", "stale", told),
        ("state", "stale", reminder),
    ]
    assert "✔ poller `inbox` is back" in running.texts()


async def test_an_alert_without_an_address_goes_to_the_log(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(max_pending_per_job=1)
    async with daemon(tmp_path, job(stale_after=2 * HOUR), act=to_nobody, settings=settings):
        await hours(2)
    assert [record.levelname for record in caplog.records if "no success since" in record.message] == ["ERROR"]


@pytest.mark.parametrize(
    "quiet",
    [
        job(schedule=Every(HOUR), **STALE),
        job(paused_on_boot=True, **STALE),
        job(schedule=Every(HOUR), failure_to=OPS),
    ],
    ids=["it succeeds", "it is paused", "it may be silent"],
)
async def test_a_job_is_not_stale_while(quiet: Any, tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, quiet, act=nothing) as running:
        await hours(9)
        assert not (await running.runner.job("inbox")).stale
    assert running.sent == []


async def test_a_resumed_job_has_its_time_before_it_is_stale(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = Settings(max_pending_per_job=1)
    async with daemon(tmp_path, job(**STALE), act=to_nobody, settings=settings) as running:
        await trio.sleep(1)
        await running.runner.pause("inbox")
        await hours(5)
        await running.runner.resume("inbox")
        await hours(1)
        assert running.sent == []
        await hours(1)
        assert len(running.sent) == 1


async def test_after_a_long_sleep_of_the_daemon_jobs_run_before_anybody_is_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def slow(_: PollContext[Any]) -> TickAck:
        await trio.sleep(15)
        return TickAck()

    jobs, one_at_a_time = [job(f"job{n}", **STALE) for n in range(3)], Settings(max_concurrent_ticks=1)
    async with daemon(tmp_path, *jobs, act=slow, settings=one_at_a_time) as running:
        clock = running.clock
        await trio.sleep(60)
    await trio.sleep(24 * 3600)
    async with daemon(tmp_path, *jobs, act=slow, settings=one_at_a_time, clock=clock) as running:
        await hours(1)
    assert running.sent == []


async def test_a_job_that_only_fails_tells_of_it_before_its_breaker_does(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def away(ctx: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        raise ConnectionError("no route")

    settings = Settings(breaker_threshold=1000)
    async with daemon(tmp_path, job(**STALE), act=away, settings=settings) as running:
        await hours(2)
    [told] = running.texts()
    assert "no success since" in told
    assert told.endswith("no route")


async def test_prometheus_is_told_how_long_a_job_may_be_silent(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, job(**STALE), job("other")) as running:
        assert running.metric("poller_stale_after_seconds", job_id="inbox") == 7200
        assert running.metric("poller_stale_after_seconds", job_id="other") is None


async def test_one_that_has_fired_is_done(tmp_path: Path, autojump_clock: MockClock) -> None:
    clock = VirtualClock()
    async with daemon(tmp_path, job(schedule=At(clock.now()), **STALE), act=nothing, clock=clock) as running:
        await hours(9)
        assert (await running.runner.job("inbox")).pause_reason == "fired"
    assert running.sent == []
