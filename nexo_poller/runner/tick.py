"""The edge of a tick: a poller's code runs here, and whatever comes out of it becomes a value."""

import logging
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import trio

from nexo_poller.ack import acked
from nexo_poller.errors import HostHeld, PermanentError, TransientError
from nexo_poller.failures import classify, leaves
from nexo_poller.poller import PollContext, Poller, TickAck

Ended = TickAck | TransientError | PermanentError | HostHeld

log = logging.getLogger(__name__)
inside: ContextVar[tuple[str, ...]] = ContextVar("inside", default=())
"""The ids of the jobs whose ticks the present task is part of."""


async def run_tick(poller: Poller[Any], context: PollContext[Any], timeout: timedelta) -> Ended:
    """What the tick came to. Cancellation, `KeyboardInterrupt` and `SystemExit` pass through untouched."""
    token = inside.set((*inside.get(), context.job_id))
    try:
        with trio.CancelScope(deadline=trio.current_time() + timeout.total_seconds()):
            return await acked(poller, context)
        return TransientError(f"timed out after {timeout.total_seconds():g} s")
    except Exception as error:  # noqa: BLE001 - the one place where a poller's errors end
        return classify(error)
    except BaseExceptionGroup as group:  # cancelled from outside, with errors in its wake: they lead nowhere
        errors, rest = group.split(Exception)
        if errors is not None:
            log.debug("job '%s': raised while it was cancelled: %s", context.job_id, kinds(errors))
        raise rest or group from None
    finally:
        inside.reset(token)


def kinds(group: BaseExceptionGroup[Any]) -> str:
    """What is in the group, without a word of theirs, which nobody has masked."""
    return ", ".join(sorted({type(leaf).__name__ for leaf in leaves(group)}))
