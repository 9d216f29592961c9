"""What became of an event that was given to a handler, in the words of the relay (M4)."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from nexo_poller.broker import Event
from nexo_poller.broker.calls import Callee
from nexo_poller.errors import BrokerError, BrokerUnavailable, MessageRejected
from nexo_poller.failures import leaves


async def handled(handler: Callee[Event, None], body: bytes) -> list[BrokerError]:
    """Call `handler` with the event in a message's body; returns what went wrong, which is nothing if it returned."""
    failures: list[BrokerError] = []
    try:
        await handler.call(Event.from_json(body))
    except* BrokerError as raised:
        failures.extend(leaf for leaf in leaves(raised) if isinstance(leaf, BrokerError))
    except* Exception as raised:  # noqa: BLE001 - a handler may raise anything, and all of it counts (M4)
        failures.extend(_refusal(handler, leaf) for leaf in leaves(raised) if isinstance(leaf, Exception))
    return failures


def verdict(failures: Sequence[BrokerError]) -> BrokerError:
    """What all failures together say of a message: unavailable, with the longest pause asked for, or else rejected."""
    unavailable = [failure for failure in failures if isinstance(failure, BrokerUnavailable)]
    if unavailable:
        return max(unavailable, key=lambda failure: failure.retry_after or timedelta())
    if len(failures) == 1:
        return failures[0]
    return MessageRejected("; ".join(map(str, failures)))


def name_of(function: Callable[..., Any]) -> str:
    """What errors and logs call it."""
    return str(getattr(function, "__qualname__", type(function).__name__))


def _refusal(handler: Callee[Event, None], error: Exception) -> MessageRejected:
    refusal = MessageRejected(f"handler '{name_of(handler.function)}': {type(error).__name__}: {error}")
    refusal.__cause__ = error
    return refusal
