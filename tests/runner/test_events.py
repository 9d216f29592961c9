"""What listeners hear of a runner."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from attrs import evolve
from daemon import counting, daemon, job, text
from trio.testing import MockClock

from nexo_poller import PermanentError, PollContext, RunnerEvent, Settings, TickAck, TransientError
from nexo_poller.broker import Event
from nexo_poller.errors import MessageRejected
from nexo_poller.failures import LONGEST_ERROR
from nexo_poller.runner.events import MOST_UNREAD, Feed
from nexo_poller.testing import VirtualClock

SECRET: Final = "hush-hush"


async def heard(events: AsyncIterator[RunnerEvent], count: int) -> list[tuple[str, Any]]:
    """The next events, by kind, each as JSON would have it."""
    with trio.fail_after(3600):  # of virtual time
        found = [await anext(events) for _ in range(count)]
    return [(event.kind, json.loads(json.dumps(event.data))) for event in found]


def changes(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(data["change"], data["reason"]) for kind, data in events if kind == "state"]


async def test_a_tick_and_its_delivery_are_told_when_they_have_happened(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock = VirtualClock()
    async with daemon(tmp_path, job(paused_on_boot=True), act=counting, clock=clock) as running:
        with running.runner.events() as events:
            began = clock.now()
            await running.runner.run_once("inbox")
            [tick, delivery] = [await anext(events) for _ in range(2)]
            [row] = await running.runner.history("inbox")
    assert tick == RunnerEvent(
        kind="tick",
        at=began,
        data={
            "job_id": "inbox",
            "kind": "script",
            "agent": "ana",
            "status": "ok",
            "error": None,
            "duration_ms": row.duration // timedelta(milliseconds=1),
            "items_seen": 0,
            "items_dispatched": 0,
            "messages": 1,
        },
    )
    [(_, event)] = running.sent
    assert delivery.data == {
        "job_id": "inbox",
        "message_id": event.id,
        "topic": "plugin.outbound.telegram",
        "outcome": "delivered",
        "error": None,
    }


async def test_what_operators_change_is_told_with_their_reasons(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, job(paused_on_boot=True)) as running:
        runner = running.runner
        with runner.events() as events:
            await runner.resume("inbox")
            await runner.resume("inbox")
            await runner.pause("inbox", reason="ana: maintenance")
            await runner.pause("inbox", reason="bo: me too")
            await runner.set_cursor("inbox", b"1")
            await runner.reset_cursor("inbox")
            told: list[tuple[str, Any]] = []
            while len(changes(told)) < 4:
                told += await heard(events, 1)
    assert changes(told) == [
        ("resumed", None),
        ("paused", "ana: maintenance"),
        ("cursor", None),
        ("reset", None),
    ]


async def test_a_job_that_pauses_itself_is_told_of_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def gone(_: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        raise PermanentError("the feed is gone")

    async with daemon(tmp_path, job(paused_on_boot=True), act=gone) as running:
        with running.runner.events() as events:
            await running.runner.resume("inbox")
            told = await heard(events, 3)
            await running.runner.run_once("inbox")
            again = await heard(events, 1)
    assert [kind for kind, _ in told] == ["state", "tick", "state"]
    assert told[1][1]["error"] == "the feed is gone"
    assert told[2][1]["reason"].startswith("permanent error: the feed is gone")
    assert [kind for kind, _ in again] == ["tick"]


async def test_failures_and_dead_letters_are_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def failing_second(ctx: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        if ctx.cursor:
            raise TransientError("try later")
        return TickAck(next_cursor=b"1", deliver=[text("x")])

    async def refuse(_: Event) -> None:
        await trio.lowlevel.checkpoint()
        raise MessageRejected("no such chat")

    settings = Settings(max_delivery_attempts=1)
    async with daemon(tmp_path, job(paused_on_boot=True), act=failing_second, settings=settings) as running:
        with running.runner.events() as events:
            async with running.runner.broker.handle("plugin.>", refuse):
                await running.runner.run_once("inbox")
                [_, (kind, dead)] = await heard(events, 2)
            await running.runner.run_once("inbox")
            [(_, failed)] = await heard(events, 1)
    assert (kind, dead["outcome"], dead["error"]) == ("delivery", "dead", "no such chat")
    assert (failed["status"], failed["error"]) == ("transient", "try later")


async def test_what_a_tick_does_not_want_sent_is_a_dead_letter_at_once(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def one_is_bad(_: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        why = f"no words in {SECRET} {'x' * 2 * LONGEST_ERROR}"
        return TickAck(next_cursor=b"1", deliver=[text("a"), text("b", dead_because=why), text("c")])

    async with daemon(tmp_path, job(paused_on_boot=True, config={}), act=one_is_bad, secrets=[SECRET]) as running:
        with running.runner.events() as events:
            await running.runner.run_once("inbox")
            told = await heard(events, 4)
        [letter] = await running.runner.dead_letters()
    assert running.texts() == ["a", "c"]
    assert letter.error.startswith("no words in *** x")
    assert len(letter.error) == LONGEST_ERROR
    assert sorted((data["outcome"], data["error"]) for kind, data in told if kind == "delivery") == [
        ("dead", letter.error),
        ("delivered", None),
        ("delivered", None),
    ]
    assert "message_id" in told[1][1]
    assert f"message {letter.message.id} is a dead letter: no words" in caplog.text
    assert SECRET not in caplog.text


async def test_a_reload_is_told_as_its_plan(tmp_path: Path, autojump_clock: MockClock) -> None:
    jobs = [job(name, paused_on_boot=True) for name in ("kept", "other", "gone", "changed")]
    async with daemon(tmp_path, *jobs) as running:
        config = running.runner.config
        assert config is not None
        wanted = (*jobs[:2], evolve(jobs[3], misfire="skip"), job("new", paused_on_boot=True))
        with running.runner.events() as events:
            await running.runner.reload(evolve(config, jobs=wanted))
            told = await heard(events, 1)
    assert told == [("reload", {"add": ["new"], "replace": ["changed"], "remove": ["gone"], "keep": 2})]


async def test_a_slow_reader_loses_the_oldest_and_hears_how_many(autojump_clock: MockClock) -> None:
    feed = Feed(VirtualClock())
    with feed.listening() as slow, feed.listening() as quick:
        for n in range(MOST_UNREAD + 7):
            feed.tell("tick", n=n)
            assert await heard(quick, 1) == [("tick", {"n": n})]
        told = await heard(slow, MOST_UNREAD + 1)
    assert told == [("lost", {"count": 7}), *(("tick", {"n": n}) for n in range(7, MOST_UNREAD + 7))]


async def test_who_has_stopped_listening_hears_nothing(autojump_clock: MockClock) -> None:
    feed = Feed(VirtualClock())
    with feed.listening() as early:
        feed.tell("tick", n=0)
    with feed.listening() as late:
        feed.tell("tick", n=1)
        assert await heard(late, 1) == [("tick", {"n": 1})]
    assert await heard(early, 1) == [("tick", {"n": 0})]
    with trio.move_on_after(1) as waited:
        await anext(early)
    assert waited.cancelled_caught
