"""What a runner tells an operator, and what an operator may change."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from daemon import Script, counting, daemon, job, nothing, text
from trio.testing import MockClock

from nexo_poller.broker import Event
from nexo_poller.config.model import Settings
from nexo_poller.errors import ConfigError, DeadLetterUnknown, JobRefused, JobUnknown
from nexo_poller.poller import Deliver, PollContext, TickAck
from nexo_poller.schedule import At, Cron, Every, as_mapping, parse_schedule

SECOND = timedelta(seconds=1)


class Picky(Script):
    def validate_cursor(self, cursor: bytes) -> None:
        if not cursor.isdigit():
            raise ConfigError("a cursor is a number")


async def test_the_details_of_a_job_show_everything_but_secrets(tmp_path: Path, autojump_clock: MockClock) -> None:
    config = {
        "url": "https://ana:hunter22@example.org/?q=visible",
        "api_key": "k3y",
        "nested": {"password": "p", "items": [1, 2]},
        "deliver": {"channel": "telegram", "to": "1"},
    }

    class Loose(Script):
        kind = "loose"
        config_type = dict  # type: ignore[assignment]

    async with daemon(
        tmp_path,
        job(kind="loose", config=config, extra={"owner": "ana"}, failure_to=Deliver("telegram", "ops")),
        pollers=(Loose(counting),),
    ) as running:
        await trio.sleep(1)
        found = await running.runner.details("inbox")
    assert found.config == {
        "url": "https://***@example.org/?q=***",
        "api_key": "***",
        "nested": {"password": "***", "items": [1, 2]},
        "deliver": {"channel": "telegram", "to": "1"},
    }
    assert found.extra == {"owner": "ana"}
    assert found.schedule == {"every_secs": 60, "stagger_jitter_ms": 0}
    assert (found.fence, found.holder, found.cursor_size) == (1, None, 1)
    assert found.cursor_digest == "6b86b273ff34fce1"
    assert found.view.last_status == "ok"


async def test_a_cursor_is_set_only_while_the_job_is_paused_and_only_if_its_poller_knows_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    script = Picky(counting)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(1)
        with pytest.raises(JobRefused, match="not paused"):
            await running.runner.set_cursor("inbox", b"41")
        await running.runner.pause("inbox")
        with pytest.raises(ConfigError, match="a cursor is a number"):
            await running.runner.set_cursor("inbox", b"x")
        assert await running.runner.cursor("inbox") == b"1"
        await running.runner.set_cursor("inbox", b"41")
        await running.runner.resume("inbox")
        await trio.sleep(61)
        assert script.cursors == [None, b"41"]
        await running.runner.pause("inbox")
        await running.runner.set_cursor("inbox", None)
        assert await running.runner.cursor("inbox") is None
        with pytest.raises(JobUnknown):
            await running.runner.set_cursor("outbox", None)


async def test_a_cursor_that_is_set_under_a_running_tick_is_not_overwritten_by_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def slow(ctx: PollContext[Any]) -> TickAck:
        await trio.sleep(10)
        return await counting(ctx)

    async with daemon(tmp_path, act=slow) as running:
        await trio.sleep(5)
        await running.runner.pause("inbox")
        await running.runner.set_cursor("inbox", b"41")
        await trio.sleep(10)
        assert await running.runner.cursor("inbox") == b"41"
        assert running.sent == []


async def test_dead_letters_are_replayed_in_their_lane_with_their_id_or_discarded(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    is_open, refused = False, list[Event]()

    async def gate(event: Event) -> None:
        if not is_open:
            refused.append(event)
            raise ValueError("closed")

    async def three(ctx: PollContext[Any]) -> TickAck:
        await nothing(ctx)
        return TickAck(deliver=[text("1"), text("2"), text("3")])

    async with daemon(tmp_path, job(paused_on_boot=True), act=three, settings=Settings(max_delivery_attempts=1)) as on:
        on.runner.subscribe("plugin.outbound.telegram", gate)
        await on.runner.run_once("inbox")
        await trio.sleep(60)
        on.sent.clear()
        first, second, third = await on.runner.dead_letters()
        assert [letter.seq for letter in await on.runner.dead_letters(1, first.seq)] == [second.seq]
        await on.runner.discard_dead_letter(second.seq)
        is_open = True
        for letter in (third, first):
            await on.runner.replay_dead_letter(letter.seq)
        assert [pending.message.id for pending in await on.runner.outbox()] == [third.message.id, first.message.id]
        await trio.sleep(60)
        assert on.texts() == ["3", "1"]
        assert [event.id for _, event in on.sent] == [third.message.id, first.message.id]
        for seq in (first.seq, second.seq):
            with pytest.raises(DeadLetterUnknown):
                await on.runner.replay_dead_letter(seq)
        assert await on.runner.outbox() == []
        is_open = False
        await on.runner.run_once("inbox")
        await trio.sleep(60)
        assert await on.runner.discard_dead_letters() == 3
        assert await on.runner.dead_letters() == []


async def test_the_outbox_and_recent_ticks_are_told_for_some_jobs_or_all(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def later(ctx: PollContext[Any]) -> TickAck:
        await nothing(ctx)
        return TickAck(deliver=[text(ctx.job_id, not_before=ctx.now + timedelta(days=1))])

    async with daemon(tmp_path, job("a"), job("b"), act=later) as running:
        await trio.sleep(70)
        numbers = [pending.seq for pending in await running.runner.outbox()]
        assert numbers == sorted(numbers)
        assert [pending.seq for pending in await running.runner.outbox(3)] == numbers[:3]
        of_b = await running.runner.outbox(job_id="b")
        assert [pending.job_id for pending in of_b] == ["b", "b"]
        assert await running.runner.outbox(after=of_b[0].seq, job_id="b") == of_b[1:]
        recent = await running.runner.recent_ticks(["a", "nobody"], 1)
        assert recent == {"a": await running.runner.history("a", 1), "nobody": []}


@pytest.mark.parametrize(
    "schedule",
    [
        Every(timedelta(seconds=90)),
        Every(timedelta(milliseconds=1500), jitter=SECOND),
        Cron("0 30 8 * * mon"),
        parse_schedule({"cron": "0 0 0 * * *", "tz": "Europe/Berlin", "stagger_jitter_ms": 5}),
        parse_schedule({"at": "2026-03-01T12:00:00+02:00"}),
    ],
)
def test_a_schedule_is_told_as_the_file_has_it(schedule: Every | Cron | At) -> None:
    assert parse_schedule(as_mapping(schedule)) == schedule


async def test_the_reason_of_a_pause_is_kept_without_what_is_secret(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path) as running:
        config = running.runner.config
        assert config is not None
        await running.runner.reload(evolve(config, secrets=frozenset({"hunter2hunter2"})))
        await running.runner.pause("inbox", reason="the key hunter2hunter2 is bad")
        assert (await running.runner.job("inbox")).pause_reason == "the key *** is bad"
