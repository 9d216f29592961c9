"""Work on large documents, kept off the loop."""

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")
SMALL_BYTES = 256 * 1024  # a few milliseconds of work, less than a thread under load may have to wait for its turn


async def worked_out(size: int, work: Callable[[], T]) -> T:
    """What `work()` returns; it must be pure. With over 256 KiB to look at it runs in a thread.

    Other tasks then get their turns between its steps. One call into C, such as that of the JSON parser, still holds
    the interpreter: some 100 ms for 10 MB.
    """
    if size <= SMALL_BYTES:
        await trio.lowlevel.checkpoint()
        return work()
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
