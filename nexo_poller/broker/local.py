"""The broker inside the process: every message goes to whoever subscribes at that moment, and is kept nowhere.

Theory of operation (M5). `publish` calls every handler whose pattern matches, side by side, and returns when all have
returned; it is the relay's outbox that keeps a message until then. If one fails, the others still finish, and the next
attempt calls all of them again: a handler must bear an event that it has seen, which has the same id. What counts
against the message (M4) is a handler's exception; `BrokerUnavailable` from any of them says that nothing is known yet,
and wins. A stream is a handler too, which returns when the reader asks for the next event.

Leaving a subscription's block cancels its calls and waits until they are gone; what they had is not acknowledged.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import trio
from attrs import define, field, frozen
from trio.abc import ReceiveChannel

from nexo_poller.broker import Event, Handler, Message, Responder
from nexo_poller.broker.calls import Callee
from nexo_poller.broker.handling import handled, name_of, verdict
from nexo_poller.broker.streams import streamed
from nexo_poller.broker.subjects import Pattern
from nexo_poller.errors import BrokerError, BrokerUnavailable, NoAnswer, Unrouted
from nexo_poller.words import counted

log = logging.getLogger(__name__)


@define(eq=False, repr=False)
class LocalBroker:
    """A `Broker` for one process and one trio run."""

    _subscriptions: "list[Subscription]" = field(factory=list, init=False)
    _answering: "list[Answering]" = field(factory=list, init=False)
    _followers: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    def __repr__(self) -> str:
        return f"<LocalBroker: {counted(len(self._subscriptions), 'subscription')}>"

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
        subscription = Subscription(Pattern(pattern), Callee(handler))
        self._subscriptions.append(subscription)
        self._followers.unpark_all()
        try:
            yield
        finally:
            self._subscriptions.remove(subscription)
            await subscription.handler.stop()

    def subscribe(self, pattern: str) -> AbstractAsyncContextManager[ReceiveChannel[Event]]:
        """A stream of the events that match, for one reader, who gets the next one by acknowledging the last.

        An event in hand when the block is left, or when the stream is closed, is not acknowledged and comes again.
        Raises `ValueError` if `pattern` is none.
        """
        return streamed(self, pattern)

    async def request(self, topic: str, body: bytes, timeout: timedelta) -> bytes:
        """The answer of the one who has answered on `topic` for the longest, which works in the caller's task.

        Raises:
            Unrouted: nobody answers there.
            NoAnswer: it took longer than `timeout`, and was cancelled.
            BrokerUnavailable: the responder raised, or its block was left meanwhile.
        """
        await trio.lowlevel.checkpoint()
        answering = next((one for one in self._answering if one.pattern.matches(topic)), None)
        if answering is None:
            raise Unrouted(topic)
        with trio.move_on_after(timeout.total_seconds()):
            return await _answer(answering.responder, body)
        raise NoAnswer(topic, timeout)

    @asynccontextmanager
    async def answering(self, pattern: str, responder: Responder) -> AsyncIterator[None]:
        """Inside the block `responder` makes the answer to every request on a topic that matches.

        Leaving it cancels the answers under way. Raises `ValueError` if `pattern` is none.
        """
        answering = Answering(Pattern(pattern), Callee(responder))
        self._answering.append(answering)
        try:
            yield
        finally:
            self._answering.remove(answering)
            await answering.responder.stop()

    async def changed(self) -> None:
        """Return at the next subscription."""
        await self._followers.park()


@frozen
class Subscription:
    """A handler, and what it wants."""

    pattern: Pattern
    handler: Callee[Event, None]


@frozen
class Answering:
    """A responder, and what it answers."""

    pattern: Pattern
    responder: Callee[bytes, bytes]


async def _call(subscription: Subscription, message: Message, failures: list[BrokerError]) -> None:
    failures.extend(await handled(subscription.handler, message.body))


async def _answer(responder: Callee[bytes, bytes], body: bytes) -> bytes:
    try:
        return await responder.call(body)
    except BrokerUnavailable:
        raise
    except Exception as error:
        log.exception("the responder '%s' failed", name_of(responder.function))
        raise BrokerUnavailable(f"whoever was asked failed: {type(error).__name__}") from error
