"""`NatsBroker`: the `Broker` of a daemon whose messages other programs read."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final, Self

import trio
from attrs import Factory, define
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from trio.abc import ReceiveChannel

from nexo_poller.broker import Event, Handler, Message, Responder
from nexo_poller.broker.calls import Callee
from nexo_poller.broker.nats.answers import FAILED, Answers
from nexo_poller.broker.nats.connection import PATIENCE_SECS, Connection
from nexo_poller.broker.nats.following import Following, consumer_name
from nexo_poller.broker.nats.link import Link
from nexo_poller.broker.nats.publishing import Publishing
from nexo_poller.broker.streams import streamed
from nexo_poller.broker.subjects import Pattern
from nexo_poller.config.model import BrokerSettings
from nexo_poller.errors import BrokerUnavailable, ConfigError, MessageRejected, NoAnswer, Problem, Unrouted

MAX_ATTEMPTS: Final = 10

log = logging.getLogger(__name__)


def _warn(topic: str) -> None:
    log.warning("no stream covers '%s': what is published there is delivered at most once", topic)


@define(eq=False)
class NatsBroker:
    """A `Broker` over NATS and JetStream, for one trio run. Use it from any task, within `open`."""

    _link: Link
    _publishing: Publishing
    _max_attempts: int
    _consumers: set[str] = Factory(set)
    _followers: trio.lowlevel.ParkingLot = Factory(trio.lowlevel.ParkingLot)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: BrokerSettings,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        topics: Iterable[str] = (),
        warn: Callable[[str], None] = _warn,
    ) -> AsyncIterator[Self]:
        """A broker that is connected whenever the server can be reached, during the block; it does not wait for that.

        `topics` are looked at once it is, and `warn` is called for each of these that no stream covers, and for any
        other when something is published there. After `max_attempts` refusals a handler does not get an event again.

        Raises `ConfigError` if the file of the NKey cannot be used.
        """
        if settings.nkey_file:
            await _check_nkey(settings.nkey_file)
        async with Link.open(settings) as link:
            publishing = Publishing(warn)

            async def look(connection: Connection, looked: trio.Event) -> None:
                if not looked.is_set():
                    for topic in topics:
                        await publishing.is_covered(connection, topic)
                    looked.set()
                await connection.lost.wait()

            async with link.kept(look, patience_secs=0):
                yield cls(link, publishing, max_attempts)

    async def publish(self, message: Message) -> None:
        """Return once JetStream has acknowledged the message, or, where no stream covers it, once the server has had it.

        A server that is away is waited for, for a few seconds.

        Raises:
            MessageRejected: it is too large for the server or the stream.
            Unrouted: no stream covers its topic, and nobody subscribes to it.
            BrokerAway: there is no connection; if it broke meanwhile, the message may have been accepted.
            BrokerUnavailable: there is no acknowledgement; the message may have been accepted.
        """
        connection = await self._link.up()
        try:
            await self._publishing.publish(connection, message)
        except NatsError as error:
            raise BrokerUnavailable(str(error)) from error

    @asynccontextmanager
    async def handle(self, pattern: str, handler: Handler) -> AsyncIterator[None]:
        """Inside the block `handler` is called for every matching event, one at a time, in a task of the broker's.

        What a stream keeps is waiting when the block is entered again, by this program or another with a handler of this
        name for this pattern. Raises `ValueError` if `pattern` is none.
        """
        callee = Callee(handler)
        names = (consumer_name(pattern, callee, nth) for nth in count())
        following = Following(
            name=next(name for name in names if name not in self._consumers),
            pattern=Pattern(pattern),
            handler=callee,
            max_attempts=self._max_attempts,
        )
        self._consumers.add(following.name)
        try:
            async with self._link.kept(following.over):
                self._followers.unpark_all()
                yield
        finally:
            self._consumers.remove(following.name)

    def subscribe(self, pattern: str) -> AbstractAsyncContextManager[ReceiveChannel[Event]]:
        """A stream of the events that match, for one reader, who gets the next one by acknowledging the last.

        Raises `ValueError` if `pattern` is none.
        """
        return streamed(self, pattern)

    async def request(self, topic: str, body: bytes, timeout: timedelta) -> bytes:
        """As `Broker.request`. Raises `MessageRejected` too, for a body that is too large for the server."""
        until = trio.current_time() + timeout.total_seconds()
        connection = await self._link.up(min(PATIENCE_SECS, timeout.total_seconds()))
        left = max(until - trio.current_time(), 0)
        try:
            answer = await connection.aio(connection.client.request, topic, body, timeout=left)
        except NoRespondersError as error:
            raise Unrouted(topic) from error
        except NatsTimeoutError as error:
            raise NoAnswer(topic, timeout) from error
        except MaxPayloadError as error:
            raise MessageRejected(f"a request of {len(body):,} bytes is too large for the NATS server") from error
        except NatsError as error:
            raise BrokerUnavailable(str(error)) from error
        if failure := (answer.headers or {}).get(FAILED):
            raise BrokerUnavailable(f"whoever was asked failed: {failure}")
        return answer.data

    @asynccontextmanager
    async def answering(self, pattern: str, responder: Responder) -> AsyncIterator[None]:
        """Inside the block `responder` makes the answer to requests on a topic that matches, in a task of the broker's.

        Raises `ValueError` if `pattern` is none.
        """
        async with self._link.kept(Answers(Pattern(pattern).text, responder).over):
            yield

    async def changed(self) -> None:
        """Return at the next subscription here, and whenever the server is back."""
        async with trio.open_nursery() as nursery:

            async def wait_for(event: Callable[[], Awaitable[None]]) -> None:
                await event()
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait_for, self._followers.park)
            nursery.start_soon(wait_for, self._link.back)


async def _check_nkey(path: Path) -> None:
    """Raise `ConfigError`, which does not show the seed, unless there is one in the file."""
    import nkeys

    try:
        nkeys.from_seed(bytearray((await trio.Path(path).read_bytes()).strip()))
    except OSError as error:
        what = f"the file of the NKey cannot be read: {error.strerror}: {path}"
    except Exception:  # noqa: BLE001 - the library raises what it likes, and its words may show the seed
        what = f"there is no seed of an NKey in {path}"
    else:
        return
    raise ConfigError(Problem(what=what, remedy="`nk -gen user` makes one", key=("broker", "auth", "nkey_file")))
