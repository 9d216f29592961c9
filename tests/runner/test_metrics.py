"""What a serving runner counts, in virtual time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from daemon import counting, daemon, job, text
from parrot import Parrot
from promtool import promtool
from scrape import families, scraped
from trio.testing import MockClock

from nexo_poller.clock import SystemClock
from nexo_poller.config.model import Settings
from nexo_poller.errors import StoreError, TransientError
from nexo_poller.poller import LlmInvokeRequest, PollContext, TickAck, TickMetrics
from nexo_poller.runner.prometheus import PrometheusMetrics
from nexo_poller.runner.watch import measure_the_store
from nexo_poller.schedule import Every
from nexo_poller.store import StoreStatistics
from nexo_poller.testing import VirtualClock

Ctx = PollContext[Any]


BY_JOB = {"kind": "script", "agent": "ana", "job_id": "inbox"}
SEVEN = {
    *("poller_ticks_total", "poller_latency_ms_bucket", "poller_latency_ms_count", "poller_latency_ms_sum"),
    *("poller_items_seen_total", "poller_items_dispatched_total", "poller_lease_takeovers_total"),
    *("poller_consecutive_errors", "poller_breaker_state"),
}


async def test_the_seven_series_are_there_exactly(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def two_items(_: Ctx) -> TickAck:
        await trio.sleep(0.07)
        return TickAck(metrics=TickMetrics(items_seen=2, items_dispatched=1))

    async with daemon(tmp_path, act=two_items) as running:
        await trio.sleep(1)
    lines = scraped(running.metrics.registry).splitlines()
    labels = BY_JOB
    bounds = ("50.0", "100.0", "250.0", "500.0", "1000.0", "2500.0", "5000.0", "10000.0", "+Inf")
    in_buckets = {le: running.metric("poller_latency_ms_bucket", le=le, **labels) for le in bounds}
    assert in_buckets == {le: float(le != "50.0") for le in bounds}
    assert running.metric("poller_ticks_total", status="ok", **labels) == 1
    assert running.metric("poller_items_seen_total", **labels) == 2
    assert running.metric("poller_items_dispatched_total", **labels) == 1
    of_the_job = [line for line in lines if 'job_id="inbox"' in line]
    assert {line.partition("{")[0] for line in of_the_job} == SEVEN | {"poller_last_success_timestamp_seconds"}
    assert not [line for line in lines if "_created" in line]


async def test_a_pollers_own_counter_is_counted_and_its_number_of_series_limited(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def count(ctx: Ctx) -> TickAck:
        for n in range(2_000):
            await ctx.host.metric_inc("jira_issues_total", {"issue": str(n)})
        await ctx.host.metric_inc("no metric!")
        return TickAck()

    async with daemon(tmp_path, act=count) as running:
        await trio.sleep(1)
        assert (await running.runner.job("inbox")).last_status == "ok"
    assert running.metric("jira_issues_total", issue="999") == 1
    assert running.metric("jira_issues_total", issue="1000") is None


async def test_metrics_that_fail_fail_no_tick(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no metrics today")

    for method in ("tick", "late", "health", "batch", "custom"):
        monkeypatch.setattr(PrometheusMetrics, method, broken)
    async with daemon(tmp_path, act=counting) as running:
        await trio.sleep(61)
    assert running.texts() == ["1", "2"]


async def test_a_metric_that_is_refused_is_logged_once_and_its_tick_succeeds(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def count(ctx: Ctx) -> TickAck:
        await ctx.host.metric_inc("poller_ticks_total")
        await ctx.host.metric_inc("jira_issues", {"board": "a"})
        await ctx.host.metric_inc("jira_issues", {"user": "b"})
        return TickAck()

    async with daemon(tmp_path, act=count) as running:
        await trio.sleep(301)
    said = [record.getMessage() for record in caplog.records if "not counted" in record.getMessage()]
    assert len(said) == 2
    assert said[0].startswith(
        "job 'inbox': not counted, and not said again: ValueError: the metric 'poller_ticks_total'"
    )
    assert "['board'] before, and now with ['user']" in said[1]
    assert running.metric("poller_ticks_total", kind="script", agent="ana", job_id="inbox", status="ok") == 6
    assert running.metric("jira_issues_total", board="a") == 6


async def test_what_a_poller_puts_into_labels_is_text_without_secrets(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    labels: Any = {"board": 7, "url": "https://x/?key=hunter2222"}

    async def count(ctx: Ctx) -> TickAck:
        await ctx.host.metric_inc("jira_issues", labels)
        return TickAck()

    async with daemon(tmp_path, act=count) as running:
        await trio.sleep(1)
    assert running.metric("jira_issues_total", board="7", url="https://x/?key=***") == 1


async def test_a_restart_shows_errors_and_breaker_before_the_first_tick(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def fail(_: Ctx) -> TickAck:
        raise TransientError("jira is down")

    clock = VirtualClock()
    async with daemon(tmp_path, act=fail, clock=clock, settings=Settings(breaker_threshold=1)) as before:
        await trio.sleep(1)
    async with daemon(tmp_path, act=fail, clock=clock, settings=Settings(breaker_threshold=1)) as restarted:
        shown = {
            family.name: [(s.labels, s.value) for s in family.samples]
            for family in families(restarted.metrics.registry)
        }
    assert before.metric("poller_breaker_state", job_id="inbox") == 2
    assert shown["poller_consecutive_errors"] == [({"job_id": "inbox"}, 1)]
    assert shown["poller_breaker_state"] == [({"job_id": "inbox"}, 2)]
    assert {labels["kind"] + labels["agent"] for labels, _ in shown["poller_items_seen"]} == {"scriptana"}


def test_no_series_is_without_kind_and_agent_whatever_comes_first() -> None:
    metrics = PrometheusMetrics()
    metrics.takeover(job())
    assert (
        metrics.registry.get_sample_value(
            "poller_items_seen_total", {"kind": "script", "agent": "ana", "job_id": "inbox"}
        )
        == 0
    )


def test_a_job_of_another_kind_or_agent_starts_new_series_and_a_removed_one_has_none() -> None:
    metrics = PrometheusMetrics()
    metrics.skipped(job())
    metrics.skipped(job(agent="bo"))
    assert scraped(metrics.registry).count('job_id="inbox",kind="script",status="skipped"') == 1
    metrics.forget("inbox")
    assert "inbox" not in scraped(metrics.registry)


async def test_lateness_counts_from_when_a_tick_was_due(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def slow(_: Ctx) -> TickAck:
        await trio.sleep(7)
        return TickAck()

    settings = Settings(max_concurrent_ticks=1)
    async with daemon(tmp_path, job("a"), job("b"), act=slow, settings=settings) as running:
        await trio.sleep(20)
    assert running.metric("poller_tick_lateness_seconds_count", kind="script") == 2
    assert running.metric("poller_tick_lateness_seconds_sum", kind="script") == 7
    assert running.metric("poller_tick_lateness_seconds_bucket", kind="script", le="5.0") == 1
    assert running.metric("poller_tick_lateness_seconds_bucket", kind="script", le="10.0") == 2


async def test_a_run_by_hand_is_never_late(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, job(paused_on_boot=True)) as running:
        await trio.sleep(600)
        await running.runner.run_once("inbox")
    assert running.metric("poller_ticks_total", **BY_JOB, status="ok") == 1
    assert running.metric("poller_tick_lateness_seconds_count", kind="script") is None


async def test_the_last_success_is_the_moment_of_the_last_tick_that_went_well_also_after_a_restart(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def fail_later(ctx: Ctx) -> TickAck:
        await trio.sleep(2)
        if ctx.cursor:
            raise TransientError("jira is down")
        return TickAck(next_cursor=b"1")

    clock = VirtualClock()
    success = (clock.now() + timedelta(seconds=2)).timestamp()
    async with daemon(tmp_path, act=fail_later, clock=clock) as running:
        assert running.metric("poller_last_success_timestamp_seconds", job_id="inbox") is None
        await trio.sleep(65)
    async with daemon(tmp_path, act=fail_later, clock=clock) as restarted:
        at_boot = restarted.metric("poller_last_success_timestamp_seconds", job_id="inbox")
    assert running.metric("poller_last_success_timestamp_seconds", job_id="inbox") == pytest.approx(success, abs=0.01)
    assert at_boot == pytest.approx(success, abs=0.01)
    assert running.metric("poller_ticks_total", **BY_JOB, status="transient") == 1


async def test_writes_to_the_store_are_observed_in_batches(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, *(job(f"job-{n}") for n in range(10))) as running:
        await trio.sleep(1)
    batches = running.metric("poller_commit_batch_size_count")
    assert batches is not None
    assert batches == running.metric("poller_commit_duration_seconds_count")
    assert (running.metric("poller_commit_batch_size_sum") or 0) > batches  # some shared a transaction


async def test_outbox_dead_letters_and_jobs_by_state_are_measured_while_the_runner_serves(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def act(ctx: Ctx) -> TickAck:
        await trio.lowlevel.checkpoint()
        if ctx.job_id == "failing":
            raise TransientError("jira is down")
        return TickAck(deliver=[text("later", not_before=ctx.now + timedelta(hours=1))])

    def stored() -> dict[str, float | None]:
        names = ("outbox_pending", "outbox_oldest_age_seconds", "dead_letters")
        by_state = {state: running.metric("poller_jobs", state=state) for state in ("running", "failing", "rejected")}
        return {name: running.metric(f"poller_{name}") for name in names} | by_state

    often = Every(timedelta(minutes=1), jitter=timedelta())
    jobs = (job("well", schedule=often), job("failing", schedule=often), job("strange", kind="unknown"))
    async with daemon(tmp_path, *jobs, act=act) as running, trio.open_nursery() as nursery:
        assert set(stored().values()) == {None}
        parts = running.runner._parts
        assert parts is not None
        nursery.start_soon(measure_the_store, parts, running.runner.statistics)
        await trio.sleep(31)
        measured = stored()
        nursery.cancel_scope.cancel()
    assert measured == {
        "outbox_pending": 1,
        "outbox_oldest_age_seconds": pytest.approx(30, abs=0.1),
        "dead_letters": 0,
        "running": 1,
        "failing": 1,
        "rejected": 1,
    }


async def test_a_runner_on_real_time_measures_its_store_by_itself(tmp_path: Path) -> None:
    async with daemon(tmp_path, clock=SystemClock()) as running:
        with trio.fail_after(30):
            while running.metric("poller_jobs", state="running") is None:  # noqa: ASYNC110 - a scrape is all there is
                await trio.sleep(0.02)
    assert running.metric("poller_outbox_oldest_age_seconds") == 0


async def test_a_store_that_does_not_answer_leaves_the_scrape_as_it_was(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    answers = iter([None, StoreError("the disk is full"), None])

    async def statistics() -> StoreStatistics:
        error = next(answers, None)
        if error is not None:
            raise error
        return await running.runner.statistics()

    async with daemon(tmp_path) as running, trio.open_nursery() as nursery:
        parts = running.runner._parts
        assert parts is not None
        nursery.start_soon(measure_the_store, parts, statistics)
        await trio.sleep(10.5)
        assert running.metric("poller_jobs", state="running") == 1
        await running.runner.pause("inbox")
        await trio.sleep(1)
        assert running.metric("poller_jobs", state="paused") == 1
        nursery.cancel_scope.cancel()


async def test_promtool_complains_of_nothing_but_the_unit_of_the_latency(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def count(ctx: Ctx) -> TickAck:
        await ctx.host.metric_inc("jira_issues", {"title": 'a "quoted\\" \n title'})
        await ctx.host.llm_invoke(LlmInvokeRequest(messages=[{"role": "user", "content": "Well?"}]))
        return TickAck(metrics=TickMetrics(items_seen=2, items_dispatched=1))

    chatty = job(stale_after=timedelta(days=1))
    async with (
        daemon(tmp_path, chatty, act=count, llm_providers={"parrot": Parrot()}) as running,
        trio.open_nursery() as nursery,
    ):
        parts = running.runner._parts
        assert parts is not None
        nursery.start_soon(measure_the_store, parts, running.runner.statistics)
        await trio.sleep(61)
        nursery.cancel_scope.cancel()
    assert [family.name for family in families(running.metrics.registry) if not family.samples] == []
    _, complaints = promtool("check", "metrics", text=scraped(running.metrics.registry))
    assert complaints == ["poller_latency_ms metric names should not contain abbreviated units"]


async def test_tokens_of_language_models_are_counted_by_provider_model_and_what_for(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def ask(ctx: Ctx) -> TickAck:
        model = None if ctx.job_id == "inbox" else 'the "green\n" one'
        await ctx.host.llm_invoke(LlmInvokeRequest(messages=[{"role": "user", "content": "Well?"}], model=model))
        return TickAck()

    async with daemon(tmp_path, job(), job("outbox"), act=ask, llm_providers={"parrot": Parrot()}) as running:
        await trio.sleep(61)
    for model in ("grey", 'the "green?" one'):
        labels = {"provider": "parrot", "model": model}
        assert running.metric("poller_llm_tokens_total", token="input", **labels) == 4
        assert running.metric("poller_llm_tokens_total", token="seed", **labels) == 2


def test_models_without_end_do_not_fill_the_memory_and_tokens_are_not_taken_back() -> None:
    metrics = PrometheusMetrics()
    for n in range(1_200):
        metrics.tokens("parrot", str(n), {"input_tokens": 1})
    metrics.tokens("parrot", "0", {"input_tokens": 1})
    with pytest.raises(ValueError, match="provider 'parrot' says that it used -1 input_tokens"):
        metrics.tokens("parrot", "0", {"input_tokens": -1})
    (family,) = [family for family in families(metrics.registry) if family.name == "poller_llm_tokens"]
    assert len(family.samples) == 1_000
    assert family.samples[0].value == 2
