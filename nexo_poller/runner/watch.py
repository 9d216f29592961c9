"""What a runner keeps an eye on beside its jobs: other processes, the dead among them, the wall clock, the store."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import trio

from nexo_poller.runner.parts import Parts
from nexo_poller.runner.patience import answered
from nexo_poller.store import StoreStatistics

LOOK_FOR_THE_DEAD: Final = 5.0
WATCH_THE_CLOCK: Final = 1.0
MEASURE_THE_STORE: Final = 10.0  # Prometheus looks every 15 s, as a rule
LARGEST_JUMP: Final = timedelta(seconds=1)

log = logging.getLogger(__name__)


async def follow_store(parts: Parts) -> None:
    """Let relay and jobs see what other processes have written."""
    generation = await answered(parts.machine.store.change)
    while True:
        newer = await answered(parts.machine.store.change)
        parts.relay.wake()
        if newer != generation:
            generation = newer
            parts.wake_all()


async def bury_the_dead(parts: Parts) -> None:
    """Free the leases of processes that have died on this machine (L5)."""
    while True:
        await trio.sleep(LOOK_FOR_THE_DEAD)
        if await answered(parts.machine.store.bury):
            parts.wake_all()


async def watch_the_clock(parts: Parts) -> None:
    """Wake every sleeper when wall time jumps, since it sleeps by the monotonic clock (T11)."""
    clock = parts.machine.clock
    offset = clock.now() - timedelta(seconds=trio.current_time())
    while True:
        await trio.sleep(WATCH_THE_CLOCK)
        present = clock.now() - timedelta(seconds=trio.current_time())
        if abs(present - offset) > LARGEST_JUMP:
            log.warning("the wall clock jumped by %s; looking at every job again", present - offset)
            offset = present
            parts.wake_all()


async def measure_the_store(parts: Parts, statistics: Callable[[], Awaitable[StoreStatistics]]) -> None:
    """Tell the metrics how much there is. A scrape shows what was measured last: it may come in any thread."""

    async def measure() -> None:
        found, now = await answered(statistics), parts.machine.clock.now()
        parts.machine.counting("the store", lambda metrics: metrics.stored(found, now))

    while True:
        await measure()
        await trio.sleep(MEASURE_THE_STORE)
