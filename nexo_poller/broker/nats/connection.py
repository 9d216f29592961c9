"""One life of a connection to a NATS server: once it is lost it stays lost, and the next one is another object.

nats-py can reconnect by itself; that is switched off. It would keep what is under way in a buffer and send it after the
reconnection, when whoever asked for it has long been told that it failed; and its `flush` reports success while the
server is away (O7). With a client that never comes back, a PONG says what it seems to say: all before it has arrived.

Three more things about the libraries. nats-py lets a PING overtake what it has not written yet, so that its PONG says
nothing of that; `InOrder` does not. A PONG whose waiter was cancelled ends nats-py's reader for good, without a word, so
a `flush` always runs to its end here. And what asyncio has no better place for, `trio_asyncio` would raise out of
the whole loop; `link` has it logged instead.
"""

import asyncio
import logging
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import trio
from attrs import Factory, define
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from trio_asyncio import TrioEventLoop

from nexo_poller.broker.topics import without_account
from nexo_poller.errors import BrokerAway

PING: Final = b"PING\r\n"
PATIENCE_SECS: Final = 5  # with a server that is there and says nothing
PING_SECS: Final = 5  # how often it is asked whether it still is; unheard for two of them, it is not

DENIED: Final = "permissions violation"
MOST_DENIALS: Final = 10_000  # that are remembered

log = logging.getLogger(__name__)
R = TypeVar("R")


class InOrder(Client):
    """A client whose PING goes out behind everything that was sent before, and for whom `tls://` means TLS."""

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if self._current_server is not None and self._current_server.uri.scheme == "tls":
            info["tls_required"] = True  # or a password would go in plain text to a server that asks for no TLS
        await super()._process_info(info, initial_connection)

    async def _send_ping(self, future: asyncio.Future[bool] | None = None) -> None:
        self._pongs.append(future or asyncio.Future())
        await self._send_command(PING)
        await self._flush_pending()


@define(eq=False)
class Connection:
    """A client that is connected, until `lost` is set.

    Its methods raise `BrokerAway` if the connection is lost before they are done; what else nats-py raises passes.
    `denials` has what the server has said the user may not do, in lower case, and how often (`may_not_publish`).
    """

    client: Client
    _loop: TrioEventLoop
    lost: trio.Event = Factory(trio.Event)
    denials: Counter[str] = Factory(Counter)
    _waiting: set[trio.CancelScope] = Factory(set)
    _channels: set["trio.MemorySendChannel[Msg]"] = Factory(set)

    async def aio(self, function: Callable[..., Coroutine[Any, Any, R]], *args: Any, **options: Any) -> R:
        """Await an asyncio function of the client's, from any trio task. Cancelled, it is cancelled too."""
        if self.lost.is_set():
            raise away()
        scope = trio.CancelScope()
        self._waiting.add(scope)
        try:
            with scope:
                result: R = await self._loop.run_aio_coroutine(function(*args, **options))
                return result
        except (NatsError, OSError, asyncio.CancelledError) as error:
            if self.client.is_closed:
                raise away() from error
            raise
        finally:
            self._waiting.remove(scope)
        raise away()

    async def pong(self) -> None:
        """Return once the server has had everything that was sent before; a server that says nothing is given up."""
        try:
            await self.to_its_end(self.client.flush, PATIENCE_SECS)
        except NatsError as error:
            await self.aio(self.client.close)
            raise away() from error

    async def to_its_end(self, function: Callable[..., Coroutine[Any, Any, R]], *args: Any) -> R:
        """`aio` for what must not stop half-way: cancelled, it goes on alone."""
        return await self.aio(_shielded, function, *args)

    @contextmanager
    def open_until_lost(self, channel: "trio.MemorySendChannel[Msg]") -> Iterator[None]:
        """In the block, the channel is closed if the connection is lost, and at the end of it."""
        self._channels.add(channel)
        try:
            yield
        finally:
            self._channels.remove(channel)
            channel.close()

    def deny(self, what: str) -> None:
        """Note that the server does not let the user do this; the log hears of each once, without accounts (O2)."""
        if len(self.denials) >= MOST_DENIALS and what not in self.denials:
            self.denials.clear()
        self.denials[what] += 1
        if self.denials[what] == 1:
            log.warning("NATS: %s", re.sub('(?<=")[^"]*', lambda subject: without_account(subject[0]), what))

    def lose(self) -> None:
        """Let all know who wait for it."""
        self.lost.set()
        for channel in self._channels:
            channel.close()
        for scope in self._waiting:
            scope.cancel()


@asynccontextmanager
async def connected(loop: TrioEventLoop, url: str, nkey_file: str | None) -> AsyncIterator[Connection]:
    """A connection to the server at `url`, closed at the end of the block. Raises `BrokerAway`, which says why."""
    client = InOrder()
    connection = Connection(client, loop)
    errors: deque[Exception] = deque(maxlen=1)

    async def closed() -> None:
        connection.lose()

    async def failed(error: Exception) -> None:
        errors.append(error)
        if DENIED in str(error):
            connection.deny(str(error).removeprefix("nats: "))

    connect = client.connect(
        url,
        name="nexo_poller",
        nkeys_seed=nkey_file,
        allow_reconnect=False,
        max_reconnect_attempts=1,  # which it takes for two attempts
        reconnect_time_wait=0,
        connect_timeout=PATIENCE_SECS,
        ping_interval=PING_SECS,
        max_outstanding_pings=1,
        error_cb=failed,
        closed_cb=closed,
    )
    try:
        try:
            await loop.run_aio_coroutine(connect)
        except (Exception, asyncio.CancelledError) as error:  # nats-py trusts its server to speak its protocol
            raise BrokerAway(str(errors[-1] if errors else error) or type(error).__name__) from error
        yield connection
    finally:
        if client.is_connected or client.is_connecting:
            with trio.move_on_after(PATIENCE_SECS, shield=True):  # a socket left open would be a leak
                await loop.run_aio_coroutine(client.close())


def may_not_publish(topic: str) -> str:
    """How the server says so, as nats-py passes it on."""
    return f'{DENIED} for publish to "{topic}"'.lower()


def away() -> BrokerAway:
    """What those are told who need a connection when there is none."""
    return BrokerAway("the NATS server cannot be reached")


async def _shielded(function: Callable[..., Coroutine[Any, Any, R]], *args: Any) -> R:
    return await asyncio.shield(asyncio.ensure_future(function(*args)))
