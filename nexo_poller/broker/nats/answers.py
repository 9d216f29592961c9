"""Answers to requests that come over NATS."""

import logging
from collections.abc import Coroutine
from typing import Any, Final

import trio
from attrs import frozen
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nexo_poller.broker import Responder
from nexo_poller.broker.handling import name_of
from nexo_poller.broker.nats.connection import Connection
from nexo_poller.broker.nats.subscribed import subscribed
from nexo_poller.errors import BrokerUnavailable
from nexo_poller.failures import leaves

QUEUE: Final = "nexo_poller"  # of all who answer on a subject in this group, NATS asks one
AT_ONCE: Final = 256
FAILED: Final = "Nats-Service-Error"  # as the services of NATS say it (ADR-32)
FAILED_CODE: Final = "Nats-Service-Error-Code"

log = logging.getLogger(__name__)


@frozen
class Answers:
    """A responder, and what it answers."""

    pattern: str
    responder: Responder

    async def over(self, connection: Connection, begun: trio.Event) -> None:
        """Answer what comes over this connection, until it is lost, or this is cancelled."""
        places = trio.Semaphore(AT_ONCE)
        async with subscribed(connection, self.pattern, QUEUE) as arrived, trio.open_nursery() as nursery:
            begun.set()
            async for message in arrived:
                await places.acquire()
                nursery.start_soon(self._answer, connection, message, self.responder(message.data), places)
            nursery.cancel_scope.cancel()  # nobody would get the answers

    async def _answer(
        self, connection: Connection, message: Msg, answer: Coroutine[Any, Any, bytes], places: trio.Semaphore
    ) -> None:
        body, headers = b"", dict[str, str]()
        try:
            body = await answer
        except* Exception as raised:
            log.exception("the responder '%s' failed", name_of(self.responder))
            headers = {FAILED: type(next(leaves(raised))).__name__, FAILED_CODE: "500"}
        finally:
            places.release()
        if len(body) > connection.client.max_payload:
            log.error("an answer of '%s' has %d bytes: too many for the server", name_of(self.responder), len(body))
            headers = {FAILED: f"an answer of {len(body):,} bytes is too large", FAILED_CODE: "500"}
            body = b""
        try:
            await connection.aio(connection.client.publish, message.reply, body, headers=headers or None)
        except (BrokerUnavailable, NatsError) as error:
            log.warning("an answer of '%s' could not be sent: %s", name_of(self.responder), error)
