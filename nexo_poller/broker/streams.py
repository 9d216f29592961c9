"""A subscriber's stream: events one at a time, each acknowledged by asking for the next."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import Factory, define
from trio.abc import ReceiveChannel

from nexo_poller.broker import Broker, Event
from nexo_poller.errors import BrokerUnavailable


@define(eq=False)
class Offer:
    """An event on its way to the reader and back. `settled` is set when its fate is known."""

    event: Event
    settled: trio.Event = Factory(trio.Event)
    is_acknowledged: bool = False


class EventStream(ReceiveChannel[Event]):
    """The reader's end is a trio channel; a broker calls `offer`.

    At most one event is in the reader's hands. Those who offer others wait in order, and may be cancelled meanwhile:
    an event that the reader has not got yet is withdrawn by that.
    """

    def __init__(self) -> None:
        # without a buffer, and so without events that are neither with their publisher nor with the reader
        self._offers, self._incoming = trio.open_memory_channel[Offer](0)
        self._in_hand: Offer | None = None

    async def offer(self, event: Event) -> None:
        """Return when the reader has acknowledged `event`; raises `BrokerUnavailable` if it closes the stream instead."""
        offer = Offer(event)
        try:
            await self._offers.send(offer)
        except trio.BrokenResourceError:
            raise _gone() from None
        await offer.settled.wait()
        if not offer.is_acknowledged:
            raise _gone()

    async def receive(self) -> Event:
        """Acknowledge the last event, even if cancelled, and return the next; `trio.ClosedResourceError` once closed."""
        if self._in_hand:
            self._in_hand.is_acknowledged = True
        self._settle()
        self._in_hand = await self._incoming.receive()
        return self._in_hand.event

    def close(self) -> None:
        """Take no more events; the one in hand stays without its acknowledgement."""
        self._incoming.close()
        self._settle()

    async def aclose(self) -> None:
        """`close`, and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def _settle(self) -> None:
        if self._in_hand:
            self._in_hand.settled.set()
            self._in_hand = None


@asynccontextmanager
async def streamed(broker: Broker, pattern: str) -> AsyncIterator[ReceiveChannel[Event]]:
    """`Broker.subscribe`, by way of `Broker.handle`."""
    stream = EventStream()
    async with broker.handle(pattern, stream.offer):
        try:
            yield stream
        finally:
            stream.close()


def _gone() -> BrokerUnavailable:
    return BrokerUnavailable("a subscriber left before it had acknowledged the message")
