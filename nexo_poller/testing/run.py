"""Days of the real runner on a real store, in virtual time."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import trio
from attrs import evolve

from nexo_poller.broker import Event
from nexo_poller.broker.local import LocalBroker
from nexo_poller.config.binding import asked
from nexo_poller.config.model import Config, Settings
from nexo_poller.errors import ConfigError
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.schedule import At, Cron, Every
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.testing.job import Job
from nexo_poller.testing.timeline import Delivered, Timeline

EVERY_TICK: Final = 10**9
SETTINGS: Final = Settings(default_jitter=timedelta(), history_per_job=EVERY_TICK)
A_MOMENT: Final = timedelta(milliseconds=1)  # so that a slot at the very end is not in: what begins, for_ excluded
NAMELESS: Final = "fake"


async def run(job: Job, schedule: Every | Cron | At, *, for_: timedelta, file: Path) -> Timeline:
    """What `job` did on `schedule`, with a new database at `file`. Raises `ConfigError` if a runner rejects it."""
    spec, around = evolve(job.spec, schedule=schedule), job.surroundings
    clock, store = around.clock, SqliteStore(file, clock=around.clock)
    runner = PollerRunner(
        Config(jobs=(spec,), settings=SETTINGS),
        store=store,
        broker=LocalBroker(),
        clock=clock,
        http=around.http,
        credentials=around.credentials,
        llm_providers={asked(job.poller, job.typed) or NAMELESS: around.llm},
    ).register(job.poller)
    deliveries: list[Delivered] = []

    async def take(event: Event) -> None:
        deliveries.append(Delivered(at=clock.now(), topic=event.topic, payload=event.payload))

    runner.subscribe(">", take)
    began = clock.now()
    with same_luck():
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            problems = (await runner.job(spec.id)).problems
            if not problems:
                await trio.sleep((for_ - A_MOMENT).total_seconds())
            await runner.shutdown()
    if problems:
        raise ConfigError(*problems)
    await trio.sleep(max(timedelta(), began + for_ - clock.now()).total_seconds())
    async with store:
        state = (await store.jobs())[spec.id].state
        ticks = await store.history(spec.id, EVERY_TICK)
        left = await store.statistics([spec.id])
    return Timeline(
        kind=spec.kind,
        began=began,
        ended=began + for_,
        ticks=tuple(reversed(ticks)),
        deliveries=tuple(deliveries),
        cursor=state.cursor,
        pause_reason=state.pause_reason,
        waiting=left.pending,
        dead_letters=left.dead_letters,
    )


@contextmanager
def same_luck() -> Iterator[None]:
    """The backoff's dice fall the same in every run, so that two runs can be compared."""
    before = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(before)
