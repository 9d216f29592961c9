"""A hundred jobs for a week, in virtual time, against what the rules foretell."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from daemon import Script, daemon, job
from foretold import entries, plan, timeline
from trio.testing import MockClock

from nexo_poller.config.model import Settings
from nexo_poller.errors import HostHeld, PermanentError, TransientError
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.schedule import parse_schedule
from nexo_poller.testing import VirtualClock

# Beirut, Berlin and Troll go forward in its first night; Chatham, Lord Howe and Sydney go back in its last one.
START = datetime(2026, 3, 28, 18, tzinfo=UTC)
END = START + timedelta(days=7)
SETTINGS = Settings(history_per_job=10_000, max_concurrent_ticks=100, tick_timeout=timedelta(hours=1))


async def test_every_tick_of_a_week_comes_when_the_rules_foretell_it_and_ends_as_it_should(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "nexo_poller")  # a thousand planned failures
    ran = defaultdict[str, list[datetime]](list)

    async def as_planned(ctx: PollContext[Any]) -> TickAck:
        now = plan(ctx.job_id, len(ran[ctx.job_id]))
        ran[ctx.job_id].append(ctx.now)
        await trio.sleep(now.takes.total_seconds())
        match now.status:
            case "transient":
                raise TransientError("as planned", retry_after=now.wait)
            case "permanent":
                raise PermanentError("as planned")
            case "skipped":
                raise HostHeld("example.org", now.wait or timedelta())
        return TickAck(next_interval_hint=now.wait)

    week = list(entries(START))
    specs = [job(entry.id, schedule=parse_schedule(entry.schedule), misfire=entry.misfire) for entry in week]
    script = Script(as_planned)
    async with daemon(tmp_path, *specs, pollers=(script,), clock=VirtualClock(START), settings=SETTINGS) as running:
        await trio.sleep((END - START).total_seconds())
        histories = {entry.id: await running.runner.history(entry.id, 10_000) for entry in week}
        in_time = script.ran_at.copy()

    foretold = {entry.id: timeline(entry, START, END) for entry in week}
    for job_id, (ticks, moves) in foretold.items():
        past = [tick for tick in ticks if tick.ended < END]
        assert [(tick.started_at, tick.slot, tick.status) for tick in reversed(histories[job_id])] == [
            (tick.began, tick.slot, tick.status) for tick in past
        ], job_id
        assert ran[job_id] == [tick.began for tick in ticks], job_id
        labels = {"kind": "script", "agent": "ana", "job_id": job_id, "status": "skipped"}
        held = sum(tick.status == "skipped" for tick in past)
        assert (running.metric("poller_ticks_total", **labels) or 0) == moves + held, job_id
    everything = [tick for ticks, _ in foretold.values() for tick in ticks]
    assert in_time == sorted(tick.began for tick in everything)
    assert len(everything) > 5_000
    assert min(Counter(tick.status for tick in everything).values()) >= 5
    assert sum(moves for _, moves in foretold.values()) >= 5
