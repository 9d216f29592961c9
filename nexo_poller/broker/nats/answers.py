"""Answers to requests that come over NATS."""

import logging
from typing import Final

import trio
from attrs import frozen
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nexo_poller.broker.calls import Callee
from nexo_poller.broker.handling import name_of
from nexo_poller.broker.nats.connection import Connection
from nexo_poller.broker.nats.subscribed import subscribed
from nexo_poller.errors import BrokerUnavailable

QUEUE: Final = "nexo_poller"  # of all who answer on a subject in this group, NATS asks one
AT_ONCE: Final = 256
FAILED: Final = "Nats-Service-Error"  # as the services of NATS say it (ADR-32)
FAILED_CODE: Final = "Nats-Service-Error-Code"

log = logging.getLogger(__name__)


@frozen
class Answers:
    """A responder, and what it answers."""

    pattern: str
    responder: Callee[bytes, bytes]

    async def over(self, connection: Connection, begun: trio.Event) -> None:
        """Answer what comes over this connection, until cancelled. Raises `BrokerAway` once it is lost."""
        places = trio.CapacityLimiter(AT_ONCE)
        async with subscribed(connection, self.pattern, QUEUE) as arrived, trio.open_nursery() as nursery:
            begun.set()
            nursery.start_soon(self._until_lost, connection, nursery.cancel_scope)
            async for message in arrived:
                nursery.start_soon(self._answer, connection, message, places)

    async def _until_lost(self, connection: Connection, scope: trio.CancelScope) -> None:
        await connection.lost.wait()
        scope.cancel()

    async def _answer(self, connection: Connection, message: Msg, places: trio.CapacityLimiter) -> None:
        async with places:
            answer, headers = b"", dict[str, str]()
            try:
                answer = await self.responder.call(message.data)
            except* Exception as raised:
                log.exception("the responder '%s' failed", name_of(self.responder))
                headers = {FAILED: _kind(raised), FAILED_CODE: "500"}
            try:
                await connection.aio(connection.client.publish, message.reply, answer, headers=headers or None)
            except (BrokerUnavailable, NatsError) as error:
                log.warning("an answer of '%s' could not be sent: %s", name_of(self.responder), error)


def _kind(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
