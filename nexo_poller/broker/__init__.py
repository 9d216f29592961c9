"""What the relay needs of a broker, and what subscribers get from one."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from attrs import field, frozen
from trio.abc import ReceiveChannel

from nexo_poller.broker.topics import without_account


def _shown(topic: str) -> str:
    return repr(without_account(topic))


@frozen(kw_only=True)
class Message:
    """An event on its way: `body` is the event as JSON, fixed at commit; `id` is the same at every redelivery."""

    id: str
    topic: str = field(repr=_shown)
    body: bytes = field(repr=False)  # which has the topic in it


@frozen(kw_only=True)
class Event:
    """What subscribers get. The same fields, in this order, are the JSON that travels.

    `id` is a UUID; an event that comes twice comes with the same id. `timestamp` (aware, UTC) is the commit's. `topic` has
    the name of the account at its end, which its `repr` does not show. `payload` is a JSON value; that of a delivery is
    an object with `text`, mostly, and the recipient as `to`.
    """

    id: str
    timestamp: datetime
    topic: str = field(repr=_shown)
    source: str
    session_id: str | None
    payload: Any

    @classmethod
    def from_json(cls, body: bytes) -> "Event":
        """The event in a message's `body`. Raises `ValueError` or `LookupError` for what is none."""
        fields = json.loads(body)
        return cls(**{**fields, "timestamp": datetime.fromisoformat(fields["timestamp"])})


Handler = Callable[[Event], Awaitable[None]]
Responder = Callable[[bytes], Coroutine[Any, Any, bytes]]


class Broker(Protocol):
    """Takes messages from the relay and hands them to whoever subscribes.

    A pattern is a NATS subject: tokens between dots, `*` for one token, a last `>` for one or more.
    """

    async def publish(self, message: Message) -> None:
        """Return once the message is accepted for good.

        Raises:
            MessageRejected: this message was refused; counts as an attempt.
            Unrouted: nobody subscribes to its topic; does not count.
            BrokerUnavailable: nothing is known of the message; does not count.
        """
        ...

    def subscribe(self, pattern: str) -> AbstractAsyncContextManager[ReceiveChannel[Event]]:
        """A stream of the events that match; an event is acknowledged when the reader asks for the next one."""
        ...

    def handle(self, pattern: str, handler: Handler) -> AbstractAsyncContextManager[None]:
        """Inside the block `handler` is called for every matching event; its return acknowledges it."""
        ...

    async def request(self, topic: str, body: bytes, timeout: timedelta) -> bytes:
        """Ask whoever answers on `topic`; returns the answer. Nothing of it is kept, or asked again.

        Raises:
            Unrouted: nobody answers there.
            NoAnswer: none came in time, though somebody may be at work on it.
            BrokerUnavailable: it is not known whether anybody was asked, or the one who was failed.
        """
        ...

    def answering(self, pattern: str, responder: Responder) -> AbstractAsyncContextManager[None]:
        """Inside the block `responder` makes the answer to every request on a topic that matches.

        Requests that come at once are answered side by side; `responder` is called for them in their order. Where several
        answer on a topic, one of them is asked. A responder that raises leaves its caller with `BrokerUnavailable`, and the
        error in the log.
        """
        ...

    async def changed(self) -> None:
        """Return once a topic that was unrouted may have a subscriber, or a broker that was away is back."""
        ...
