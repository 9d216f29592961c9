"""The runner as a whole, in virtual time, on a real store."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from daemon import Script, counting, daemon, job, nothing, text
from trio.testing import MockClock

from nexo_poller.config.model import Settings
from nexo_poller.errors import BrokerAway, ConfigError, HostHeld, JobRefused, JobUnknown, PermanentError, TransientError
from nexo_poller.poller import Deliver, PollContext, TickAck, TickMetrics
from nexo_poller.schedule import At, Every
from nexo_poller.testing import VirtualClock

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
Ctx = PollContext[Any]


class TestSchedule:
    async def test_a_new_job_runs_at_once_and_then_keeps_its_phase(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def slow(_: Ctx) -> TickAck:
            await trio.sleep(7)
            return TickAck()

        clock, script = VirtualClock(), Script(slow)
        start = clock.now()
        async with daemon(tmp_path, pollers=(script,), clock=clock):
            await trio.sleep(200)
        assert [moment - start for moment in script.ran_at] == [MINUTE * n for n in range(4)]

    async def test_a_restart_neither_repeats_a_slot_nor_waits_a_whole_interval(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        clock, script = VirtualClock(), Script(nothing)
        start = clock.now()
        async with daemon(tmp_path, pollers=(script,), clock=clock):
            await trio.sleep(10)
        await trio.sleep(40)
        async with daemon(tmp_path, pollers=(script,), clock=clock):
            await trio.sleep(20)
        await trio.sleep(600)
        async with daemon(tmp_path, pollers=(script,), clock=clock):
            await trio.sleep(5)
        offsets = [(moment - start).total_seconds() for moment in script.ran_at]
        assert offsets == [0, 60, 670]

    async def test_missed_slots_are_skipped_if_the_job_says_so(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        clock, script = VirtualClock(), Script(nothing)
        start = clock.now()
        async with daemon(tmp_path, job(misfire="skip"), pollers=(script,), clock=clock):
            await trio.sleep(10)
        await trio.sleep(600)
        async with daemon(tmp_path, job(misfire="skip"), pollers=(script,), clock=clock) as late:
            await trio.sleep(60)
        assert [(moment - start).total_seconds() for moment in script.ran_at] == [0, 660]
        assert late.metric("poller_ticks_total", kind="script", agent="ana", job_id="inbox", status="skipped") == 1

    async def test_a_hint_replaces_one_wait_and_then_the_phase_resumes(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def hint_first(ctx: Ctx) -> TickAck:
            await trio.lowlevel.checkpoint()
            return TickAck(next_interval_hint=None if ctx.cursor else timedelta(seconds=25), next_cursor=b"seen")

        clock, script = VirtualClock(), Script(hint_first)
        start = clock.now()
        async with daemon(tmp_path, pollers=(script,), clock=clock):
            await trio.sleep(130)
        assert [(moment - start).total_seconds() for moment in script.ran_at] == [0, 25, 60, 120]

    async def test_at_fires_once_and_a_reset_arms_it_again(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        clock, script = VirtualClock(), Script(counting)
        once = job(schedule=At(clock.now() + MINUTE))
        async with daemon(tmp_path, once, pollers=(script,), clock=clock) as running:
            await trio.sleep(600)
            view = await running.runner.job("inbox")
            assert (view.paused, view.pause_reason, view.next_run_at) == (True, "fired", None)
            with pytest.raises(JobRefused, match="fired"):
                await running.runner.resume("inbox")
            await running.runner.reset_cursor("inbox")
            await trio.sleep(1)
        assert running.texts() == ["1", "1"]


class TestDelivery:
    async def test_cursor_and_messages_move_together(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        script = Script(counting)
        async with daemon(tmp_path, pollers=(script,)) as running:
            await trio.sleep(130)
        assert running.texts() == ["1", "2", "3"]
        assert script.cursors == [None, b"1", b"2"]

    async def test_an_event_is_what_the_design_says(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        async with daemon(tmp_path, act=counting, agents={"ana": {"telegram": "ana_bot"}}) as running:
            await trio.sleep(1)
        ((_, event),) = running.sent
        assert event.topic == "plugin.outbound.telegram.ana_bot"
        assert event.payload == {"text": "1", "to": "1194292426"}
        assert (event.source, event.session_id) == ("plugin.poller", None)

    async def test_a_failed_tick_sends_nothing_of_what_it_published(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def publish_and_fail(ctx: Ctx) -> TickAck:
            await ctx.host.broker_publish("news.today", b'{"n": 1}')
            raise TransientError("no")

        async with daemon(tmp_path, act=publish_and_fail) as running:
            await trio.sleep(1)
            assert (await running.runner.job("inbox")).pending_messages == 0
            assert running.runner.unrouted() == set()

    async def test_not_before_holds_back_what_follows_it_too(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        async def later(ctx: Ctx) -> TickAck:
            await trio.lowlevel.checkpoint()
            return TickAck(deliver=[text("1"), text("2", not_before=ctx.now + 30 * SECOND), text("3")])

        clock = VirtualClock()
        start = clock.now()
        async with daemon(tmp_path, act=later, clock=clock) as running:
            await trio.sleep(50)
        assert [((at - start).total_seconds(), event.payload["text"]) for at, event in running.sent] == [
            (0, "1"),
            (30, "2"),
            (30, "3"),
        ]

    async def test_an_ack_of_too_many_messages_is_a_permanent_error_and_sends_none(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def flood(_: Ctx) -> TickAck:
            await trio.lowlevel.checkpoint()
            return TickAck(next_cursor=b"7", deliver=[text(str(n)) for n in range(100_000)])

        async with daemon(tmp_path, act=flood) as running:
            await trio.sleep(1)
            view = await running.runner.job("inbox")
            (row,) = (await running.runner.store.jobs()).values()
        assert view.paused
        assert "100,000 messages at once; at most 1,000" in (view.last_error or "")
        assert running.sent == []
        assert row.state.cursor is None

    async def test_a_refused_message_becomes_a_dead_letter_and_the_queue_goes_on(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async with daemon(tmp_path, act=counting, settings=Settings(max_delivery_attempts=3)) as running:
            taken = running.take

            async def refuse_first(event: Any) -> None:
                if event.payload["text"] == "1":
                    raise ValueError("not this one")
                await taken(event)

            running.runner.subscribe("plugin.outbound.>", refuse_first)
            await trio.sleep(90)
            (letter,) = await running.runner.store.dead_letters()
        assert letter.attempts == 3
        assert "not this one" in letter.error
        assert "2" in running.texts()

    async def test_a_full_outbox_gives_slots_up_and_counts_them(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def elsewhere(ctx: Ctx) -> TickAck:
            await ctx.host.broker_publish("nobody.listens", b"{}")
            return TickAck()

        async with daemon(tmp_path, act=elsewhere, settings=Settings(max_pending_per_job=2)) as running:
            await trio.sleep(310)
            assert (await running.runner.job("inbox")).pending_messages == 2
            assert running.runner.unrouted() == {"nobody.listens"}
        labels = {"kind": "script", "agent": "ana", "job_id": "inbox"}
        assert running.metric("poller_ticks_total", status="ok", **labels) == 2
        assert running.metric("poller_ticks_total", status="skipped", **labels) == 4

    async def test_what_waits_for_a_broker_that_was_away_goes_as_soon_as_it_changes(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        took = []

        async def away_at_first(event: Any) -> None:
            took.append(event.payload["text"])
            if len(took) == 1:
                raise BrokerAway("there is no connection", retry_after=60 * MINUTE)

        async with daemon(tmp_path, job(paused_on_boot=True), act=counting) as running:
            running.runner.subscribe("plugin.outbound.>", away_at_first)
            await running.runner.run_once("inbox")
            await trio.sleep(10)
            assert took == ["1"]
            running.runner.subscribe("something.else", running.take)
            await trio.sleep(10)
        assert took == ["1", "1"]

    async def test_shutdown_waits_for_the_delivery_under_way(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        delivered = []

        async def slow(event: Any) -> None:
            await trio.sleep(3)
            delivered.append(event.payload["text"])

        async with daemon(tmp_path, act=counting) as running:
            running.runner.subscribe("plugin.outbound.>", slow)
            await trio.sleep(61)
        assert delivered == ["1", "2"]


class TestFailure:
    async def test_transient_errors_back_off_and_alert_once_and_say_when_it_is_over(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def fail_three_times(ctx: Ctx) -> TickAck:
            await trio.lowlevel.checkpoint()
            if len(script.ran_at) <= 3:
                raise TransientError("the server is away")
            return TickAck()

        script = Script(fail_three_times)
        failing = job(failure_to=Deliver("telegram", "ops"))
        async with daemon(tmp_path, failing, pollers=(script,), settings=Settings(breaker_threshold=2)) as running:
            await trio.sleep(600)
        waits = [(b - a).total_seconds() for a, b in zip(script.ran_at, script.ran_at[1:], strict=False)]
        assert 15 <= waits[0] <= 30
        assert 30 <= waits[1] <= 60
        assert 60 <= waits[2] <= 120
        assert running.texts() == [
            "⚠ poller `inbox` (kind=script) failing: the server is away",
            "✔ poller `inbox` recovered after 3 errors",
        ]
        assert running.metric("poller_consecutive_errors", job_id="inbox") == 0

    async def test_a_reminder_comes_once_a_cooldown(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        async def fail(_: Ctx) -> TickAck:
            raise TransientError("away")

        failing = job(failure_to=Deliver("telegram", "ops"))
        settings = Settings(breaker_threshold=1, failure_alert_cooldown=timedelta(hours=1))
        async with daemon(tmp_path, failing, act=fail, settings=settings) as running:
            await trio.sleep(2.5 * 3600)
            assert running.metric("poller_breaker_state", job_id="inbox") == 2
        assert running.texts() == [
            "⚠ poller `inbox` (kind=script) failing: away",
            "⚠ poller `inbox` (kind=script) still failing since 2026-01-01T00:00:00Z: away",
            "⚠ poller `inbox` (kind=script) still failing since 2026-01-01T00:00:00Z: away",
        ]

    async def test_a_longer_retry_after_is_honoured(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        async def busy(_: Ctx) -> TickAck:
            raise TransientError("429", retry_after=timedelta(hours=2))

        script = Script(busy)
        async with daemon(tmp_path, pollers=(script,)):
            await trio.sleep(3 * 3600)
        assert script.ran_at[1] - script.ran_at[0] == timedelta(hours=2)

    async def test_a_permanent_error_pauses_and_alerts(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        async def revoked(_: Ctx) -> TickAck:
            raise PermanentError("the key was revoked")

        script = Script(revoked)
        async with daemon(tmp_path, job(failure_to=Deliver("telegram", "ops")), pollers=(script,)) as running:
            await trio.sleep(600)
            view = await running.runner.job("inbox")
        assert len(script.ran_at) == 1
        assert (view.paused, view.pause_reason) == (
            True,
            "permanent error: the key was revoked; mend it, then `nexo-poller resume inbox`",
        )
        assert running.texts() == ["⚠ poller `inbox` (kind=script) failing: the key was revoked"]

    @pytest.mark.parametrize(
        ("raised", "status", "error"),
        [
            (ValueError("odd"), "transient", "ValueError: odd"),
            (KeyError(), "transient", "KeyError"),
            (ConfigError("wrong"), "permanent", "wrong"),
            (ExceptionGroup("g", [ValueError("a"), TransientError("b")]), "transient", "ValueError: a"),
            (ExceptionGroup("g", [ValueError("a"), ExceptionGroup("h", [PermanentError("b")])]), "permanent", "b"),
            (HostHeld("example.org", 30 * SECOND), "skipped", "example.org asked to be left alone for another 30 s"),
            (ExceptionGroup("g", [HostHeld("example.org", SECOND), OSError("c")]), "transient", "OSError: c"),
        ],
    )
    async def test_the_worst_leaf_decides(
        self, tmp_path: Path, autojump_clock: MockClock, raised: Exception, status: str, error: str
    ) -> None:
        async def fail(_: Ctx) -> TickAck:
            raise raised

        async with daemon(tmp_path, act=fail) as running:
            await trio.sleep(1)
            view = await running.runner.job("inbox")
        assert (view.last_status, view.last_error) == (status, error)

    async def test_a_hung_tick_is_cut_at_its_timeout_and_its_neighbour_never_notices(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def hang(ctx: Ctx) -> TickAck:
            if ctx.job_id == "hung":
                await trio.sleep_forever()
            return TickAck()

        script = Script(hang)
        hung = job("hung", tick_timeout=20 * SECOND)
        async with daemon(tmp_path, hung, job("fine"), pollers=(script,)) as running:
            await trio.sleep(21)
            view = await running.runner.job("hung")
            fine = await running.runner.history("fine")
        assert (view.last_status, view.last_error) == ("transient", "timed out after 20 s")
        assert script.cancelled == 1
        assert [tick.status for tick in fine] == ["ok"]

    @pytest.mark.parametrize("answer", [None, {"deliver": []}, TickAck(next_cursor="text")])  # type: ignore[arg-type]
    async def test_what_is_no_ack_is_a_permanent_error(
        self, tmp_path: Path, autojump_clock: MockClock, answer: Any
    ) -> None:
        async def odd(_: Ctx) -> TickAck:
            await trio.lowlevel.checkpoint()
            return answer  # type: ignore[no-any-return]

        async with daemon(tmp_path, act=odd) as running:
            await trio.sleep(1)
            assert (await running.runner.job("inbox")).last_status == "permanent"


class Untellable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


async def raise_(error: Exception) -> TickAck:
    await trio.lowlevel.checkpoint()
    raise error


async def publish(ctx: Ctx, topic: Any, payload: Any) -> TickAck:
    await ctx.host.broker_publish(topic, payload)
    return TickAck()


async def acked(**fields: Any) -> TickAck:
    await trio.lowlevel.checkpoint()
    return TickAck(**fields)


NO_CHANNEL: dict[str, Any] = {"channel": None}
ODD_TICKS: dict[str, Any] = {
    "retry_after": lambda _: raise_(TransientError("x", retry_after=60)),  # type: ignore[arg-type]
    "surrogate": lambda _: raise_(TransientError("half a pair \ud800")),
    "untellable": lambda _: raise_(Untellable()),
    "forever": lambda _: raise_(HostHeld("h", timedelta.max)),
    "hint": lambda _: acked(next_interval_hint=60),
    "metrics": lambda _: acked(metrics=None),
    "many": lambda _: acked(metrics=TickMetrics(items_seen=2**70)),
    "dicts": lambda _: acked(deliver=[{"channel": "telegram"}]),
    "channel": lambda _: acked(deliver=[evolve(text("x"), **NO_CHANNEL)]),
    "naive": lambda _: acked(deliver=[text("x", not_before=datetime(2026, 1, 1))]),  # noqa: DTZ001 - the mistake
    "payload": lambda ctx: publish(ctx, "a.b", "text"),
    "topic": lambda ctx: publish(ctx, None, b""),
    "half": lambda ctx: publish(ctx, "a.\ud800", b"{}"),
}


@pytest.mark.parametrize("mistake", ODD_TICKS)
async def test_no_mistake_of_one_poller_ends_the_daemon(
    tmp_path: Path, autojump_clock: MockClock, mistake: str
) -> None:
    async def act(ctx: Ctx) -> TickAck:
        return await (ODD_TICKS[mistake](ctx) if ctx.job_id == "odd" else counting(ctx))

    async with daemon(tmp_path, job("odd"), job("fine"), act=act) as running:
        await trio.sleep(61)
        odd = await running.runner.job("odd")
        fine = await running.runner.history("fine")
    assert odd.last_status in {"transient", "permanent", "skipped"}
    assert odd.last_error
    assert [tick.status for tick in fine] == ["ok", "ok"]


class TestLease:
    async def test_a_long_tick_keeps_its_lease_by_heartbeat(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        async def long(ctx: Ctx) -> TickAck:
            await trio.sleep(250)
            return await counting(ctx)

        async with daemon(tmp_path, act=long) as running:
            await trio.sleep(255)
        assert running.texts() == ["1"]

    async def test_a_lost_lease_cancels_the_tick_and_saves_nothing(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def long(ctx: Ctx) -> TickAck:
            await trio.sleep(100)
            return await counting(ctx)

        script = Script(long)
        async with daemon(tmp_path, pollers=(script,)) as running:
            await trio.sleep(1)
            store = running.runner.store
            (timetable,) = (running.runner._parts.jobs["inbox"].ticker.timetable,)  # type: ignore[union-attr]
            await store.reset(timetable)  # as another process would
            await trio.sleep(50)
            assert script.cancelled == 1
            assert await running.runner.history("inbox") == []


class TestOperating:
    async def test_shutdown_waits_for_the_tick_and_what_it_sends_is_not_lost(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def slow(ctx: Ctx) -> TickAck:
            await trio.sleep(5)
            return await counting(ctx)

        script = Script(slow)
        async with daemon(tmp_path, pollers=(script,)) as running:
            await trio.sleep(1)
        assert script.cancelled == 0
        async with daemon(tmp_path) as next_start:
            await trio.sleep(1)
        assert [*running.texts(), *next_start.texts()] == ["1"]

    async def test_shutdown_cuts_what_outlasts_the_grace_and_the_slot_stays_due(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def endless(_: Ctx) -> TickAck:
            await trio.sleep_forever()
            raise AssertionError

        clock, script = VirtualClock(), Script(endless)
        async with daemon(tmp_path, pollers=(script,), clock=clock) as running:
            await trio.sleep(1)
            await running.runner.shutdown(timedelta(seconds=3))
        again = Script(counting)
        async with daemon(tmp_path, pollers=(again,), clock=clock) as running:
            await trio.sleep(1)
            (row,) = (await running.runner.store.jobs()).values()
        assert script.cancelled == 1
        assert len(again.ran_at) == 1
        assert row.state.consecutive_errors == 0

    async def test_a_paused_job_sleeps_until_it_is_resumed(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        script = Script(nothing)
        async with daemon(tmp_path, pollers=(script,)) as running:
            await trio.sleep(1)
            await running.runner.pause("inbox")
            await trio.sleep(600)
            assert len(script.ran_at) == 1
            assert (await running.runner.job("inbox")).pause_reason == "paused by the operator"
            await running.runner.resume("inbox")
            await trio.sleep(1)
            assert len(script.ran_at) == 2

    async def test_paused_on_boot_starts_asleep(self, tmp_path: Path, autojump_clock: MockClock) -> None:
        script = Script(nothing)
        async with daemon(tmp_path, job(paused_on_boot=True), pollers=(script,)):
            await trio.sleep(600)
        assert script.ran_at == []

    async def test_a_run_by_hand_commits_and_leaves_the_schedule_alone(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        script = Script(counting)
        async with daemon(tmp_path, pollers=(script,)) as running:
            await trio.sleep(30)
            before = await running.runner.job("inbox")
            report = await running.runner.run_once("inbox")
            after = await running.runner.job("inbox")
            await trio.sleep(31)
        assert (report.status, report.deliveries, report.error) == ("ok", 1, None)
        assert after.next_run_at == before.next_run_at
        assert script.cursors == [None, b"1", b"2"]
        assert running.texts() == ["1", "2", "3"]

    async def test_a_run_by_hand_cuts_the_running_tick_short_and_takes_its_place(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def first_hangs(ctx: Ctx) -> TickAck:
            if len(script.ran_at) == 1:
                await trio.sleep_forever()
            return await counting(ctx)

        script = Script(first_hangs)
        async with daemon(tmp_path, pollers=(script,)) as running:
            await trio.sleep(1)
            assert (await running.runner.run_once("inbox")).status == "ok"
            assert script.cancelled == 1
            await trio.sleep(1)
        assert running.texts() == ["1", "2"]

    async def test_a_failed_run_by_hand_is_recorded_and_neither_pauses_nor_alerts(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def fail(_: Ctx) -> TickAck:
            raise PermanentError("revoked")

        sleeping = job(paused_on_boot=True, failure_to=Deliver("telegram", "ops"))
        async with daemon(tmp_path, sleeping, act=fail, settings=Settings(breaker_threshold=1)) as running:
            report = await running.runner.run_once("inbox")
            view = await running.runner.job("inbox")
        assert (report.status, report.error) == ("permanent", "revoked")
        assert (view.pause_reason, view.last_status, view.last_error) == ("paused_on_boot", "permanent", "revoked")
        assert view.consecutive_errors == 0
        assert running.sent == []

    async def test_a_second_run_by_hand_is_refused_and_one_from_inside_its_own_tick_too(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def run_myself(ctx: Ctx) -> TickAck:
            with pytest.raises(JobRefused, match="by hand already"):
                await running.runner.run_once("other")
            with pytest.raises(RuntimeError, match="wait for itself"):
                await running.runner.run_once(ctx.job_id)
            return TickAck()

        async def wait(ctx: Ctx) -> TickAck:
            if ctx.job_id == "inbox":
                return await run_myself(ctx)
            await trio.sleep(30)
            return TickAck()

        jobs = (job(paused_on_boot=True), job("other", paused_on_boot=True))
        async with daemon(tmp_path, *jobs, act=wait) as running, trio.open_nursery() as nursery:
            nursery.start_soon(running.runner.run_once, "other")
            await trio.sleep(1)
            assert (await running.runner.run_once("inbox")).error is None

    async def test_a_caller_that_goes_away_leaves_its_run_to_end_by_itself(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async def slow(ctx: Ctx) -> TickAck:
            await trio.sleep(10)
            return await counting(ctx)

        async with daemon(tmp_path, job(paused_on_boot=True), act=slow) as running:
            with trio.move_on_after(1):
                await running.runner.run_once("inbox")
            await trio.sleep(10)
            assert running.texts() == ["1"]

    async def test_a_dry_run_tells_everything_and_changes_nothing(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async with daemon(tmp_path, job(paused_on_boot=True), act=counting) as running:
            before = await running.runner.store.jobs()
            dry = await running.runner.dry_run("inbox")
            assert await running.runner.store.jobs() == before
        assert (dry.cursor_before, dry.cursor_after) == (None, b"1")
        assert [outgoing.message.topic for outgoing in dry.outgoing] == ["plugin.outbound.telegram"]
        assert running.sent == []

    async def test_a_reset_starts_over_and_fences_the_running_tick_out(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        script = Script(counting)
        async with daemon(tmp_path, pollers=(script,)) as running:
            await trio.sleep(61)
            await running.runner.reset_cursor("inbox")
            await trio.sleep(60)
        assert script.cursors == [None, b"1", None]

    async def test_unknown_jobs_are_named_with_their_likely_neighbour(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async with daemon(tmp_path) as running:
            with pytest.raises(JobUnknown, match="no job 'inbx'; did you mean 'inbox'"):
                await running.runner.run_once("inbx")

    async def test_a_subsystem_that_is_off_reports_started_and_returns(
        self, tmp_path: Path, autojump_clock: MockClock
    ) -> None:
        async with daemon(tmp_path, settings=Settings(enabled=False)):
            pass
        assert not (tmp_path / "poller.db").exists()


async def test_ticks_at_once_are_bounded(tmp_path: Path, autojump_clock: MockClock) -> None:
    running_now, most = 0, 0

    async def count_us(_: Ctx) -> TickAck:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await trio.sleep(1)
        running_now -= 1
        return TickAck()

    jobs = [job(f"job-{n}", schedule=Every(MINUTE, jitter=timedelta())) for n in range(10)]
    async with daemon(tmp_path, *jobs, act=count_us, settings=Settings(max_concurrent_ticks=3)):
        await trio.sleep(30)
    assert most == 3


async def test_two_runners_on_one_store_run_each_slot_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    clock = VirtualClock()
    first, second = Script(counting), Script(counting)
    jobs = [job(f"job-{n}") for n in range(5)]
    async with (
        daemon(tmp_path, *jobs, pollers=(first,), clock=clock) as one,
        daemon(tmp_path, *jobs, pollers=(second,), clock=clock) as two,
    ):
        await trio.sleep(610)
        one.wake_relay()  # in virtual time a runner does not look for what others wrote
        two.wake_relay()
        await trio.sleep(1)
    assert len(first.ran_at) + len(second.ran_at) == 5 * 11
    everything = sorted([*one.texts(), *two.texts()], key=int)
    assert everything == sorted([str(n) for n in range(1, 12)] * 5, key=int)
