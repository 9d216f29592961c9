"""Sleepers that must look again though their time has not come."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio
from attrs import define
from daemon import Script, daemon, job, nothing
from trio.testing import MockClock

from nexo_poller.runner.parts import Parts
from nexo_poller.runner.watch import watch_the_clock
from nexo_poller.testing import VirtualClock


@define(eq=False)
class SettableClock(VirtualClock):
    """Virtual time that an operator can set, as a machine's clock can be set."""

    offset: timedelta = timedelta()

    def __attrs_pre_init__(self) -> None:
        super().__init__(datetime(2026, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        return super().now() + self.offset


async def test_a_clock_set_forward_wakes_the_sleepers_and_nothing_runs_twice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock, script = SettableClock(), Script(nothing)
    start = clock.now()
    async with daemon(tmp_path, job(), pollers=(script,), clock=clock) as running, trio.open_nursery() as nursery:
        parts = running.runner._parts
        assert isinstance(parts, Parts)
        nursery.start_soon(watch_the_clock, parts)
        await trio.sleep(10.5)
        clock.offset = timedelta(seconds=55)
        await trio.sleep(4.5)
        assert [moment - start for moment in script.ran_at] == [timedelta(), timedelta(seconds=66)]
        clock.offset = timedelta()
        await trio.sleep(50)
        assert len(script.ran_at) == 2
        await trio.sleep(60)
        assert [moment - start for moment in script.ran_at[2:]] == [timedelta(seconds=120)]
        nursery.cancel_scope.cancel()
