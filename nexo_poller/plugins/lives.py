"""What all plugins that live long have in common: one life after another, and a place for a tick that was cut short."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import trio

from nexo_poller.errors import TransientError
from nexo_poller.failures import describe
from nexo_poller.plugins.restarts import restart_pause, short_lives
from nexo_poller.plugins.transport import PluginServices

EXIT_SECONDS: Final = 1.0  # from the end of a program's stdout to its own
GRACE: Final = timedelta(seconds=2)  # between SIGTERM and SIGKILL
TOOL_TIMEOUT: Final = timedelta(seconds=60)


async def keep_up(
    life: Callable[[], Awaitable[str]], services: PluginServices, ended: Callable[[str, timedelta], None]
) -> None:
    """Live one life after another, until cancelled.

    `life` returns how it came to its end, in words; `ended` is told that, and the pause until the next one.
    """
    lives = 0
    while True:
        began = trio.current_time()
        try:
            fault = await life()
        except TransientError as error:  # there are no more processes to be had
            fault = describe(error)
            await services.host().log("warning", fault)
        lives = short_lives(lives, timedelta(seconds=trio.current_time() - began))
        pause = restart_pause(lives)
        ended(fault, pause)
        await trio.sleep(pause.total_seconds())


@contextmanager
def one_less(places: trio.CapacityLimiter) -> Iterator[None]:
    """During the block there is a place less to be had."""
    places.total_tokens -= 1
    try:
        yield
    finally:
        places.total_tokens += 1
