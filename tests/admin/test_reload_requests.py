"""`POST /admin/pollers/reload` by clients that do not wait for its answer: it happens whole, or not at all."""

import random
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import trio
from admin_daemon import AdminDaemon, admin_daemon
from attrs import evolve
from daemon import job, nothing
from tasks import alive

from nexo_poller.config.model import Config, JobSpec, Settings
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.schedule import Every

POST = b"POST /admin/pollers/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n"
CONNECTION = "trio._highlevel_serve_listeners._run_handler"
RELOAD = "nexo_poller.runner.runner.PollerRunner._in_background.<locals>.run"
JOB = "nexo_poller.runner.job.RunningJob.run"
HOURLY = Every(timedelta(hours=1), jitter=timedelta())
ENOUGH_SECS = 600  # for 200 reloads of 300 jobs, on a machine that is busy


def running_config(admin: AdminDaemon) -> Config:
    config = admin.daemon.runner.config
    assert config is not None
    return config


async def fewer(name: str, than: int) -> None:
    """Return when there are fewer tasks of this name."""
    while alive()[name] >= than:  # noqa: ASYNC110 - tasks tell nobody of their end
        await trio.sleep(0.005)


async def test_a_client_that_goes_while_the_file_is_read_makes_nothing_happen(tmp_path: Path) -> None:
    reading, go_on, released = trio.Event(), threading.Event(), list[bool]()
    async with admin_daemon(tmp_path) as admin:
        wanted = evolve(running_config(admin), jobs=(job("other", paused_on_boot=True),))

        def read_slowly() -> Config:
            trio.from_thread.run_sync(reading.set)
            released.append(go_on.wait(20))
            return wanted

        admin.daemon.runner.source = read_slowly
        before, client = await admin.get("/admin/pollers"), await admin.connect()
        await client.send_all(POST)
        await reading.wait()
        connections = alive()[CONNECTION]
        await client.aclose()
        await fewer(CONNECTION, than=connections)
        go_on.set()
        assert await admin.get("/admin/pollers") == before
        done = await admin.post("/admin/pollers/reload")  # waits for the thread that reads, and reads anew
        assert (done["add"], done["remove"]) == (["other"], ["inbox"])
    assert released == [True, True]  # the client's end waited for no reading


async def test_a_client_that_goes_while_jobs_are_exchanged_has_them_exchanged(tmp_path: Path) -> None:
    ticking, cut, go = trio.Event(), trio.Event(), trio.Event()

    async def slow_to_go(_: PollContext[Any]) -> TickAck:
        ticking.set()
        try:
            await trio.sleep_forever()
        finally:
            cut.set()
            with trio.CancelScope(shield=True):
                await go.wait()
        raise AssertionError

    jobs = (job("goes", schedule=HOURLY), job("stays", paused_on_boot=True))
    async with admin_daemon(tmp_path, *jobs, act=slow_to_go) as admin:
        await ticking.wait()
        wanted = evolve(running_config(admin), jobs=(jobs[1], job("comes", paused_on_boot=True)))
        admin.daemon.runner.source = lambda: wanted
        client = await admin.connect()
        await client.send_all(POST)
        await cut.wait()
        connections = alive()[CONNECTION]
        await client.aclose()
        await fewer(CONNECTION, than=connections)
        assert [found["id"] for found in await admin.get("/admin/pollers")] == ["goes", "stays"]
        go.set()
        await admin.until("/admin/pollers", lambda found: [one["id"] for one in found] == ["stays", "comes"])
        assert alive()[JOB] == 2


async def test_clients_that_go_at_any_moment_half_apply_nothing_and_leak_nothing(tmp_path: Path, full: bool) -> None:
    luck = random.Random(20260707)
    names = [f"job-{n}" for n in range(300)]

    def owned_by(agent: str) -> tuple[JobSpec, ...]:
        every = Every(timedelta(seconds=luck.choice((2, 3))), jitter=timedelta())
        return tuple(job(name, agent=agent, schedule=every) for name in names)

    settings = Settings(max_concurrent_ticks=300)
    async with admin_daemon(
        tmp_path, *owned_by("agent"), act=nothing, settings=settings, patience_secs=ENOUGH_SECS
    ) as admin:
        runner = admin.daemon.runner
        runner.source = lambda: evolve(running_config(admin), jobs=())
        await admin.post("/admin/pollers/reload")
        without_jobs = alive()
        for n in range(200 if full else 20):
            wanted = evolve(running_config(admin), jobs=owned_by(f"agent-{n}"))
            runner.source = lambda wanted=wanted: wanted
            client = await admin.connect()
            await client.send_all(POST)
            await trio.sleep(luck.uniform(0, 0.1))
            await client.aclose()
            await fewer(RELOAD, than=1)
            views = await runner.list_jobs()
            assert [view.id for view in views] in ([], names)  # none until one of these reloads has happened
            assert len({view.agent for view in views}) <= 1
            assert alive()[JOB] == len(views)
        ticks = await runner.recent_ticks(names, 10_000)
        runner.source = lambda: evolve(running_config(admin), jobs=())
        await admin.post("/admin/pollers/reload")
        while alive() != without_jobs:  # noqa: ASYNC110 - tasks tell nobody of their end
            await trio.sleep(0.01)
    for name in names:
        slots = [tick.slot for tick in ticks[name] if tick.status == "ok"]
        assert len(slots) == len(set(slots))
