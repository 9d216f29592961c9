"""What arrives on a subject, as a trio channel."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import trio
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nexo_poller.broker.nats.connection import PATIENCE_SECS, Connection
from nexo_poller.errors import BrokerUnavailable

ROOM: Final = 1024  # messages that wait to be looked at; beyond that they are dropped, as they may be in core NATS

log = logging.getLogger(__name__)


@asynccontextmanager
async def subscribed(
    connection: Connection, subject: str, queue: str = ""
) -> AsyncIterator["trio.MemoryReceiveChannel[Msg]"]:
    """What comes on `subject` inside the block, from its beginning on, until the connection is lost.

    Once it is left nothing arrives any more; what had by then, and was not received, is still in the channel.
    """
    put, arrived = trio.open_memory_channel[Msg](ROOM)
    dropped = 0

    async def take(message: Msg) -> None:
        nonlocal dropped
        try:
            put.send_nowait(message)
        except trio.WouldBlock:
            dropped += 1
            if dropped.bit_count() == 1:  # the first, and then ever more seldom
                log.warning("%s: too many messages wait already, so %d were dropped", subject, dropped)

    subscription = await connection.aio(connection.client.subscribe, subject, queue=queue, cb=take)
    with connection.open_until_lost(put):
        try:
            await connection.pong()
            yield arrived
        finally:
            with (
                suppress(BrokerUnavailable, NatsError),
                trio.move_on_after(PATIENCE_SECS, shield=True),
            ):  # or some get lost
                await connection.to_its_end(subscription.drain)
