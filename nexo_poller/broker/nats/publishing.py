"""From the relay to the server, and what counts as accepted (O7).

Where a stream covers the topic, that is JetStream's own acknowledgement; the message's id travels in `Nats-Msg-Id`, by
which JetStream knows a message that it has already, for as long as its window is wide (M6). Anywhere else it is a PONG
after the message: the server has had it. Whether any subscriber will, nobody knows: at most once. But if none is there
the server says so before the PONG, and the message is unrouted, as it would be with a `LocalBroker`.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from attrs import Factory, define
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from nexo_poller.broker import Message
from nexo_poller.broker.nats.connection import PATIENCE_SECS, Connection, away, may_not_publish
from nexo_poller.broker.nats.jetstream import streams_over
from nexo_poller.errors import BrokerUnavailable, MessageRejected, Unrouted

HEADER: Final = "Nats-Msg-Id"
HEADER_BYTES: Final = len(f"NATS/1.0\r\n{HEADER}: \r\n\r\n")
NOBODY: Final = "503"
TOO_LARGE: Final = 10054  # the one refusal of JetStream that is about the message, and not about the stream
MOST_TOPICS: Final = 10_000  # that are remembered


@define(eq=False)
class Publishing:
    """Publishes, and remembers which topics are covered. `warn` is called once for each that is not."""

    warn: Callable[[str], None]
    _covered: set[str] = Factory(set)
    _warned: set[str] = Factory(set)

    async def publish(self, connection: Connection, message: Message) -> None:
        """As `Broker.publish`."""
        size, most = len(message.body) + HEADER_BYTES + len(message.id), connection.client.max_payload
        if size > most:  # the server would answer by closing the connection
            raise MessageRejected(f"it has {size:,} bytes with its headers, and the NATS server takes {most:,} at most")
        if await self.is_covered(connection, message.topic):
            try:
                await self._keep(connection, message)
            except BrokerUnavailable:
                self._covered.discard(message.topic)  # the stream may be gone, and somebody else listen there
                raise
        elif not await connection.to_its_end(_heard, connection, message):
            raise Unrouted(message.topic)

    async def is_covered(self, connection: Connection, topic: str) -> bool:
        """Whether a stream keeps what is published there. Raises `BrokerUnavailable` if that cannot be told."""
        if topic in self._covered:
            return True
        if await streams_over(connection, topic):
            _remember(self._covered, topic)
            return True
        if topic not in self._warned:
            _remember(self._warned, topic)
            self.warn(topic)
        return False

    async def _keep(self, connection: Connection, message: Message) -> None:
        headers = {HEADER: message.id}
        try:
            answer = await connection.aio(
                connection.client.request, message.topic, message.body, timeout=PATIENCE_SECS, headers=headers
            )
        except NoRespondersError as error:
            raise BrokerUnavailable("the stream that covered the topic is gone") from error
        except NatsTimeoutError as error:
            raise BrokerUnavailable(f"no acknowledgement came within {PATIENCE_SECS} s") from error
        except NatsError as error:
            raise BrokerUnavailable(str(error)) from error
        _check(answer)


def _check(answer: Msg) -> None:
    """Raise unless this is an acknowledgement: somebody else may be listening who answers, too."""
    try:
        said: Any = json.loads(answer.data)
    except ValueError:
        said = None
    match said:
        case {"error": {"err_code": code, "description": description}} if code == TOO_LARGE:
            raise MessageRejected(f"JetStream: {description}")
        case {"error": error}:
            raise BrokerUnavailable(f"JetStream: {error}")
        case {"stream": str(), "seq": int()}:
            return
        case _:
            raise BrokerUnavailable("the answer is no acknowledgement of JetStream's")


async def _heard(connection: Connection, message: Message) -> bool:
    """In asyncio: publish, wait for the PONG, and return whether anybody subscribes to the topic."""
    client, denial = connection.client, may_not_publish(message.topic)
    inbox, denied_before = client.new_inbox(), connection.denials[denial]
    subscription = await client.subscribe(inbox)
    try:
        await client.publish(message.topic, message.body, reply=inbox, headers={HEADER: message.id})
        await client.flush(PATIENCE_SECS)
        answer = await subscription.next_msg() if subscription.pending_msgs else None
    except NatsError as error:
        await client.close()
        raise away() from error
    finally:
        if not client.is_closed:
            await subscription.unsubscribe()
    if connection.denials[denial] != denied_before:
        raise BrokerUnavailable("the NATS server does not let this user publish there")
    return answer is None or (answer.headers or {}).get("Status") != NOBODY


def _remember(topics: set[str], topic: str) -> None:
    if len(topics) >= MOST_TOPICS:
        topics.clear()
    topics.add(topic)
