"""Pauses and resumes that come while a tick is under way."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from daemon import Script, daemon, job
from trio.testing import MockClock

from nexo_poller.errors import JobRefused, PermanentError
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.schedule import At
from nexo_poller.testing import VirtualClock


async def slow(_: PollContext[Any]) -> TickAck:
    await trio.sleep(10)
    return TickAck()


async def test_a_pause_during_the_tick_stays_and_the_next_slot_waits_for_the_resume(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    script = Script(slow)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(5)
        await running.runner.pause("inbox")
        await trio.sleep(600)
        assert len(script.ran_at) == 1
        assert (await running.runner.job("inbox")).pause_reason == "paused by the operator"


async def test_a_pause_during_its_only_tick_does_not_hide_that_a_job_has_fired(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock = VirtualClock()
    async with daemon(tmp_path, job(schedule=At(clock.now())), act=slow, clock=clock) as running:
        await trio.sleep(5)
        await running.runner.pause("inbox")
        await trio.sleep(10)
        assert (await running.runner.job("inbox")).pause_reason == "fired"
        with pytest.raises(JobRefused, match="fired"):
            await running.runner.resume("inbox")


async def test_a_resume_during_a_run_by_hand_is_not_undone_by_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    script = Script(slow)
    async with (
        daemon(tmp_path, job(paused_on_boot=True), pollers=(script,)) as running,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(running.runner.run_once, "inbox")
        await trio.sleep(5)
        await running.runner.resume("inbox")
        await trio.sleep(100)
        assert (await running.runner.job("inbox")).pause_reason is None
        assert len(script.ran_at) >= 2


async def test_a_pause_during_a_run_by_hand_stays(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def fail_slowly(_: PollContext[Any]) -> TickAck:
        await trio.sleep(10)
        raise PermanentError("revoked")

    clock = VirtualClock()
    later = job(schedule=At(clock.now() + timedelta(hours=1)))
    async with daemon(tmp_path, later, act=fail_slowly, clock=clock) as running, trio.open_nursery() as nursery:
        nursery.start_soon(running.runner.run_once, "inbox")
        await trio.sleep(5)
        await running.runner.pause("inbox")
        await trio.sleep(10)
        assert (await running.runner.job("inbox")).pause_reason == "paused by the operator"
