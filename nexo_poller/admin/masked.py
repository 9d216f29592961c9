"""What tells of messages, masked before it leaves (O2)."""

from functools import partial
from typing import Any

import trio

from nexo_poller.masking import masked_json
from nexo_poller.runner.runner import PollerRunner


async def masked(value: Any, runner: PollerRunner) -> Any:
    """`value` without what is secret; in a thread, for it takes a while for each character."""
    return await trio.to_thread.run_sync(partial(masked_json, value, runner.mask))
