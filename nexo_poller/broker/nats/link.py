"""The way to a NATS server that comes back by itself."""

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from urllib.parse import urlsplit

import trio
from attrs import Factory, define
from nats.errors import Error as NatsError
from trio_asyncio import TrioEventLoop, open_loop

from nexo_poller.broker.nats.connection import PATIENCE_SECS, Connection, away, connected
from nexo_poller.config.model import BrokerSettings
from nexo_poller.errors import BrokerAway, BrokerUnavailable

FIRST_PAUSE: Final = 0.05  # seconds; it doubles
LONGEST_PAUSE: Final = 2.0

log = logging.getLogger(__name__)
Work = Callable[[Connection, trio.Event], Awaitable[None]]


@define(eq=False)
class Link:
    """Has a connection whenever the server can be reached."""

    _settings: BrokerSettings
    _loop: TrioEventLoop
    _nursery: trio.Nursery
    _connection: Connection | None = None
    _waiting: trio.lowlevel.ParkingLot = Factory(trio.lowlevel.ParkingLot)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: BrokerSettings) -> AsyncIterator[Self]:
        """A link that looks for the server during the block. Its being away is no error, and no reason to wait."""
        failure: Exception | None = None
        async with open_loop() as loop:
            loop.set_exception_handler(_log)
            async with trio.open_nursery() as nursery:
                link = cls(settings, loop, nursery)
                nursery.start_soon(link._run)
                try:
                    yield link
                except Exception as error:  # noqa: BLE001 - raised below, for these nurseries have no part in it
                    failure = error
                nursery.cancel_scope.cancel()
        if failure:
            raise failure

    async def up(self, patience_secs: float = PATIENCE_SECS) -> Connection:
        """The connection, as soon as there is one. Raises `BrokerAway` if that takes too long."""
        with trio.move_on_after(patience_secs):
            while self._connection is None or self._connection.lost.is_set():
                await self._waiting.park()
            return self._connection
        raise away()

    async def back(self) -> None:
        """Return when there is a new connection."""
        await self._waiting.park()

    @asynccontextmanager
    async def kept(self, work: Work, patience_secs: float = PATIENCE_SECS) -> AsyncIterator[None]:
        """Inside the block `work` is done over every connection, one after the other.

        It sets the event when it has begun, which the block waits for, though not for longer: the server may be away.
        """
        scope, begun, gone = trio.CancelScope(), trio.Event(), trio.Event()

        async def keep() -> None:
            try:
                with scope:
                    await self._keep(work, begun)
            finally:
                gone.set()

        self._nursery.start_soon(keep)
        try:
            with trio.move_on_after(patience_secs):
                await begun.wait()
            yield
        finally:
            scope.cancel()
            await gone.wait()

    async def _keep(self, work: Work, begun: trio.Event) -> None:
        while True:
            connection = await self.up(math.inf)
            try:
                await work(connection, begun)
            except* BrokerAway:
                pass
            except* (BrokerUnavailable, NatsError) as trouble:
                log.warning("NATS: %s; trying again", "; ".join(map(str, trouble.exceptions)))
                await trio.sleep(LONGEST_PAUSE)

    async def _run(self) -> None:
        pause, place, told = FIRST_PAUSE, place_of(self._settings.url), ""
        nkey_file = self._settings.nkey_file
        while True:
            try:
                async with connected(
                    self._loop, self._settings.url, str(nkey_file) if nkey_file else None
                ) as connection:
                    log.info("connected to the NATS server at %s", place)
                    pause, told, self._connection = FIRST_PAUSE, "", connection
                    self._waiting.unpark_all()
                    await connection.lost.wait()
                    log.warning("the connection to the NATS server at %s is lost; looking for it", place)
            except BrokerAway as error:
                if told != str(error):
                    told = str(error)
                    log.warning("the NATS server at %s cannot be reached: %s; looking for it", place, error)
            finally:
                self._connection = None
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def place_of(url: str) -> str:
    """`host:port` in `url`, without what else may stand there (O2)."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _log(_loop: Any, context: dict[str, Any]) -> None:
    """Note what asyncio has no better place for; what a broken connection leaves behind is no news."""
    error = context.get("exception")
    level = logging.DEBUG if isinstance(error, OSError | NatsError) else logging.WARNING
    log.log(level, "NATS: %s", context.get("message"), exc_info=error)
