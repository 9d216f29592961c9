"""The broker inside the process: every message goes to whoever subscribes at that moment, and is kept nowhere.

Theory of operation (M5). `publish` calls every handler whose pattern matches, side by side, and returns when all have
returned; it is the relay's outbox that keeps a message until then. If one fails, the others still finish, and the next
attempt calls all of them again: a handler must bear an event that it has seen, which has the same id. What counts
against the message (M4) is a handler's exception; `BrokerUnavailable` from any of them says that nothing is known yet,
and wins. A stream is a handler too, which returns when the reader asks for the next event.

Leaving a subscription's block cancels its calls and waits until they are gone; what they had is not acknowledged.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

import trio
from attrs import Factory, define
from trio.abc import ReceiveChannel

from nexo_poller.broker import Event, Handler, Message
from nexo_poller.broker.streams import EventStream
from nexo_poller.broker.subjects import Pattern
from nexo_poller.errors import BrokerError, BrokerUnavailable, MessageRejected, Unrouted
from nexo_poller.failures import leaves

E = TypeVar("E", bound=Exception)


@define(eq=False)
class LocalBroker:
    """A `Broker` for one process and one trio run."""

    _subscriptions: "list[Subscription]" = Factory(list)
    _followers: trio.lowlevel.ParkingLot = Factory(trio.lowlevel.ParkingLot)

    async def publish(self, message: Message) -> None:
        """Return once every matching handler has returned. Cancelled, it cancels them.

        Raises:
            MessageRejected: handlers raised; the message names each of them.
            Unrouted: nothing matches the topic.
            BrokerUnavailable: a handler raised it, or its block was left meanwhile.
        """
        await trio.lowlevel.checkpoint()
        matching = [subscription for subscription in self._subscriptions if subscription.pattern.matches(message.topic)]
        if not matching:
            raise Unrouted(message.topic)
        failures: list[BrokerError] = []
        async with trio.open_nursery() as nursery:
            for subscription in matching:
                nursery.start_soon(_call, subscription, message, failures)
        if failures:
            raise verdict(failures)

    @asynccontextmanager
    async def handle(self, pattern: str, handler: Handler) -> AsyncIterator[None]:
        """Inside the block `handler` is called for every matching event, for several at once if they come so.

        It gets an event of its own, which it may change. Raises `ValueError` if `pattern` is none.
        """
        subscription = Subscription(Pattern(pattern), handler)
        self._subscriptions.append(subscription)
        self._followers.unpark_all()
        try:
            yield
        finally:
            self._subscriptions.remove(subscription)
            await subscription.stop()

    @asynccontextmanager
    async def subscribe(self, pattern: str) -> AsyncIterator[ReceiveChannel[Event]]:
        """A stream of the events that match, for one reader, who gets the next one by acknowledging the last.

        An event in hand when the block is left, or when the stream is closed, is not acknowledged and comes again.
        Raises `ValueError` if `pattern` is none.
        """
        stream = EventStream()
        async with self.handle(pattern, stream.offer):
            try:
                yield stream
            finally:
                stream.close()

    async def changed(self) -> None:
        """Return at the next subscription."""
        await self._followers.park()


@define(eq=False)
class Call:
    """A handler at work."""

    _scope: trio.CancelScope = Factory(trio.CancelScope)
    _gone: trio.Event = Factory(trio.Event)

    async def run(self, handler: Handler, event: Event) -> None:
        """Call `handler`; raises `BrokerUnavailable` if it was stopped before it returned."""
        try:
            with self._scope:
                await handler(event)
        finally:
            self._gone.set()
        if self._scope.cancelled_caught:
            raise BrokerUnavailable("a subscriber left before it was done with the message")

    async def stop(self) -> None:
        """Cancel the handler; return once it is gone."""
        self._scope.cancel()
        await self._gone.wait()


@define(eq=False)
class Subscription:
    """A handler, what it wants, and its calls under way."""

    pattern: Pattern
    handler: Handler
    _calls: set[Call] = Factory(set)

    async def call(self, event: Event) -> None:
        """Call the handler, in the caller's task; raises what it raises, or as `Call.run`."""
        call = Call()
        self._calls.add(call)
        try:
            await call.run(self.handler, event)
        finally:
            self._calls.remove(call)

    async def stop(self) -> None:
        """Stop all calls."""
        async with trio.open_nursery() as nursery:
            for call in self._calls:
                nursery.start_soon(call.stop)

    def refusal(self, error: Exception) -> MessageRejected:
        """What an exception of the handler says of the message."""
        name = getattr(self.handler, "__qualname__", type(self.handler).__name__)
        refusal = MessageRejected(f"handler '{name}': {type(error).__name__}: {error}")
        refusal.__cause__ = error
        return refusal


async def _call(subscription: Subscription, message: Message, failures: list[BrokerError]) -> None:
    try:
        await subscription.call(Event.from_json(message.body))
    except* BrokerError as raised:
        failures.extend(leaf for leaf in leaves(raised) if isinstance(leaf, BrokerError))
    except* Exception as raised:  # noqa: BLE001 - a handler may raise anything, and all of it counts (M4)
        failures.extend(subscription.refusal(leaf) for leaf in leaves(raised) if isinstance(leaf, Exception))


def verdict(failures: Sequence[BrokerError]) -> BrokerError:
    """What all failures together say of a message: unavailable, with the longest pause asked for, or else rejected."""
    unavailable = [failure for failure in failures if isinstance(failure, BrokerUnavailable)]
    if unavailable:
        return max(unavailable, key=lambda failure: failure.retry_after or timedelta())
    if len(failures) == 1:
        return failures[0]
    return MessageRejected("; ".join(map(str, failures)))
