"""What ends a plugin besides its daemon's word."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def cancelled_by_signals() -> AsyncIterator[None]:
    """The block is cancelled, whole and quietly, by SIGTERM or SIGINT."""

    async def wait_for_signal(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await nursery.start(wait_for_signal)
        yield
        nursery.cancel_scope.cancel()
