"""Reload: all or nothing, and whoever stays does not notice."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from daemon import Daemon, Script, counting, daemon, job, nothing
from tasks import alive
from trio.testing import MockClock, wait_all_tasks_blocked

from nexo_poller.config.model import AdminSettings, BrokerSettings, Config, JobSpec, RejectedJob, Settings
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.errors import ConfigError, JobRefused, Problem
from nexo_poller.plan import ReloadPlan
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.schedule import Every

MINUTE = timedelta(minutes=1)
JOB_TASK = "nexo_poller.runner.job.RunningJob.run"
HOURLY = Every(timedelta(hours=1), jitter=timedelta())


def config(running: Daemon, *jobs: JobSpec, **changes: Any) -> Config:
    assert running.runner.config is not None
    return evolve(running.runner.config, jobs=jobs, **changes)


async def test_jobs_come_go_and_change_and_those_that_stay_sleep_on(tmp_path: Path, autojump_clock: MockClock) -> None:
    ran: list[tuple[str, float]] = []

    async def note(ctx: PollContext[Any]) -> TickAck:
        ran.append((ctx.job_id, trio.current_time() - start))
        return await nothing(ctx)

    start = trio.current_time()
    async with daemon(tmp_path, job("goes"), job("changes"), job("stays"), act=note) as running:
        await trio.sleep(30)
        wanted = config(running, job("comes"), job("stays", extra={"owner": "ana"}), job("changes", schedule=HOURLY))
        planned = running.runner.diff(wanted)
        assert [view.id for view in await running.runner.list_jobs()] == ["goes", "changes", "stays"]
        assert await running.runner.reload(wanted) == planned
        assert planned == ReloadPlan(add=("comes",), replace=("changes",), remove=("goes",), keep=("stays",))
        assert [view.id for view in await running.runner.list_jobs()] == ["comes", "stays", "changes"]
        assert (await running.runner.details("stays")).extra == {"owner": "ana"}
        await trio.sleep(80)
    assert sorted(ran) == [
        ("changes", 0.0), ("comes", 30.0), ("comes", 90.0), ("goes", 0.0), ("stays", 0.0), ("stays", 60.0),
    ]  # fmt: skip
    assert running.metric("poller_consecutive_errors", job_id="goes") is None


def rival(tmp_path: Path) -> PluginManifest:
    """A plugin that wants the kind of the poller in these tests."""
    file = tmp_path / "nexo-plugin.toml"
    prefix = "plugin.rival"
    return PluginManifest(
        id="rival", version="1", name="rival", kinds=("script",), broker_topic_prefix=prefix, folder=tmp_path, path=file
    )


OWNED_TWICE = "the kind 'script' of plugin 'rival' is owned by daemon.Script of this process already"


async def test_a_plugin_that_wants_the_kind_of_a_registered_poller_changes_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    script = Script(nothing)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(1)
        with pytest.raises(ConfigError, match=OWNED_TWICE):
            await running.runner.reload(config(running, job(), plugins=(rival(tmp_path),)))
        await trio.sleep(60)
    assert len(script.ran_at) == 2


async def test_a_plugin_that_wants_the_kind_of_a_registered_poller_keeps_a_runner_from_starting(tmp_path: Path) -> None:
    settings = Settings(state_db=tmp_path / "poller.db")
    runner = PollerRunner(Config(jobs=(job(),), settings=settings, plugins=(rival(tmp_path),)))
    runner.register(Script(nothing))
    with trio.fail_after(10), pytest.raises(ConfigError, match=OWNED_TWICE):
        await runner.serve()
    assert not (tmp_path / "poller.db").exists()


async def test_a_job_that_comes_back_finds_its_cursor(tmp_path: Path, autojump_clock: MockClock) -> None:
    script = Script(counting)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(1)
        await running.runner.reload(config(running))
        await trio.sleep(600)
        assert len(script.ran_at) == 1
        await running.runner.reload(config(running, job()))
        await trio.sleep(1)
    assert script.cursors == [None, b"1"]


async def test_one_bad_job_and_nothing_changes_with_every_problem_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    script = Script(nothing)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(1)
        rejected = RejectedJob(id="third", problems=(Problem(what="is no job"),))
        bad = config(
            running,
            job(schedule=HOURLY),
            job("other", kind="scrip"),
            rejected=(rejected,),
            channels={"*": "stdout"},
            broker=BrokerSettings(type="nats"),
            admin=AdminSettings(token="s3cret-token"),
            settings=Settings(state_db=Path("elsewhere.db")),
        )
        with pytest.raises(ConfigError) as refused:
            await running.runner.reload(bad)
        with pytest.raises(ConfigError):
            running.runner.diff(bad)
        text = str(refused.value)
        for what in (
            "is no job",
            "did you mean 'script'",
            "`channels:` were changed",
            "`broker:` was changed",
            "`pollers.state_db`",
            "`admin:`",
        ):
            assert what in text
        await trio.sleep(60)
    assert len(script.ran_at) == 2


async def test_what_is_secret_in_the_new_configuration_is_masked_from_then_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with daemon(tmp_path) as running:
        assert running.runner.mask("a hunter2hunter2") == "a hunter2hunter2"
        await running.runner.reload(config(running, job(), secrets=frozenset({"hunter2hunter2"})))
        assert running.runner.mask("a hunter2hunter2") == "a ***"
    assert running.runner.mask("a hunter2hunter2") == "a ***"


async def test_warnings_of_the_new_configuration_are_told_once(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = (Problem(what=what, is_warning=True) for what in ("an old job runs", "another old job runs"))
    async with daemon(tmp_path) as running:
        for warnings in ((old,), (old, new)):
            await running.runner.reload(config(running, job(), warnings=warnings))
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "an old job runs",
        "another old job runs",
    ]


async def test_a_running_tick_is_cancelled_and_gone_before_its_successor_starts(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    at_once = most = 0

    async def long(_: PollContext[Any]) -> TickAck:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            await trio.sleep(20)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            at_once -= 1
        return TickAck()

    script = Script(long)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(5)
        await running.runner.reload(config(running, job(schedule=Every(2 * MINUTE, jitter=timedelta()))))
        await trio.sleep(200)
    assert (most, script.cancelled) == (1, 1)
    assert len(script.ran_at) >= 2


async def test_a_job_that_does_not_end_in_time_keeps_everything_as_it_was(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def stubborn(ctx: PollContext[Any]) -> TickAck:
        with trio.CancelScope(shield=True):
            await trio.sleep(30)
        return await nothing(ctx)

    script = Script(stubborn)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(1)
        with pytest.raises(JobRefused, match="nothing was changed"):
            await running.runner.reload(config(running, job(schedule=HOURLY)))
        assert (await running.runner.details("inbox")).schedule["every_secs"] == 60
        await trio.sleep(60)
    assert len(script.ran_at) == 3  # the slot that was cut short is run again


async def test_a_reload_waits_for_no_run_by_hand_and_is_refused_from_inside_a_tick(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def tick(ctx: PollContext[Any]) -> TickAck:
        if ctx.job_id == "inside":
            with pytest.raises(RuntimeError, match="inside a tick"):
                await running.runner.reload(config(running))
        else:
            await trio.sleep(20)
        return TickAck()

    jobs = (job(paused_on_boot=True), job("inside", paused_on_boot=True))
    async with daemon(tmp_path, *jobs, act=tick) as running, trio.open_nursery() as nursery:
        assert (await running.runner.run_once("inside")).error is None
        nursery.start_soon(running.runner.run_once, "inbox")
        await wait_all_tasks_blocked()
        with pytest.raises(JobRefused, match="run by hand"):
            await running.runner.reload(config(running, jobs[1]))


async def test_a_client_that_goes_away_leaves_the_reload_to_end_by_itself(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def slow_to_go(_: PollContext[Any]) -> TickAck:
        try:
            await trio.sleep(3600)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
        return TickAck()

    async with daemon(tmp_path, act=slow_to_go) as running:
        await trio.sleep(1)
        with trio.move_on_after(1):
            await running.runner.reload(config(running, job("other", schedule=HOURLY)))
        await trio.sleep(5)
        assert [view.id for view in await running.runner.list_jobs()] == ["other"]


async def test_random_reloads_run_no_slot_twice_lose_no_job_and_leak_no_task(
    tmp_path: Path, autojump_clock: MockClock, full: bool
) -> None:
    luck = random.Random(20260301)
    names = [f"job-{n}" for n in range(300)]

    async def tick(_: PollContext[Any]) -> TickAck:
        await trio.sleep(luck.random())
        return TickAck()

    def some() -> list[JobSpec]:
        lengths = [timedelta(seconds=luck.choice((5, 7))) for _ in names]
        jobs = [
            job(name, schedule=Every(every, jitter=timedelta())) for name, every in zip(names, lengths, strict=True)
        ]
        return luck.sample(jobs, 250)

    wanted = some()
    async with daemon(tmp_path, *wanted, act=tick, settings=Settings(max_concurrent_ticks=300)) as running:
        await running.runner.reload(config(running))
        without_jobs = alive()
        for _ in range(200 if full else 25):
            wanted = some()
            await running.runner.reload(config(running, *wanted))
            assert [view.id for view in await running.runner.list_jobs()] == [spec.id for spec in wanted]
            assert alive()[JOB_TASK] == len(wanted)
            await trio.sleep(luck.uniform(0, 10))
        await trio.sleep(30)
        ticks = await running.runner.recent_ticks(names, 10_000)
        present = running.clock.now()
        await running.runner.reload(config(running))
        assert alive() == without_jobs
    for name in names:
        slots = [tick.slot for tick in ticks[name] if tick.status == "ok"]
        assert len(slots) == len(set(slots))
    for spec in wanted:
        assert present - ticks[spec.id][0].started_at <= timedelta(seconds=9)
