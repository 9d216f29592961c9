"""A durable consumer of one stream, and the handler that it is for.

Theory of operation. The consumer is JetStream's memory of how far the handler is, and lives on without us. It hands out
one message at a time (`max_ack_pending` 1), so order holds over redeliveries too: a message comes again until it is
acknowledged, and what follows it waits. A new consumer begins with what is published from then on.

A handler's return acknowledges. Its exception refuses (M4): the message comes again after 1 to 60 s, and after
`max_attempts` refusals it is given up and logged, and stays in its stream. `BrokerUnavailable` is no refusal. Refusals
are counted here, since JetStream only counts deliveries; a restart forgets them. While a handler works, JetStream is told
so; if we die, it gives the message to the next who asks after `ACK_WAIT_SECS`. Whoever leaves gives it back at once, and
what cannot be said because the connection is lost is said over the next one.
"""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

import trio
from attrs import define, frozen
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nexo_poller.broker import Event
from nexo_poller.broker.calls import Callee
from nexo_poller.broker.handling import handled, name_of, verdict
from nexo_poller.broker.nats.connection import PATIENCE_SECS, Connection, away
from nexo_poller.broker.nats.jetstream import ask
from nexo_poller.broker.nats.subscribed import subscribed
from nexo_poller.errors import BrokerAway, BrokerError, BrokerUnavailable, MessageRejected

ACK_WAIT_SECS: Final = 5
PULL_SECS: Final = 30
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(seconds=60)
MOST_DOUBLINGS: Final = 6
NANOSECONDS: Final = 10**9
DONE: Final = b"+ACK"
GIVEN_BACK: Final = b"-NAK "
GIVEN_UP: Final = b"+TERM"
IN_VAIN: Final = {"404", "408"}  # a pull that brought nothing

log = logging.getLogger(__name__)


@frozen
class Trouble:
    """How often in a row the message in hand came back, and how often because it was refused."""

    failures: int = 0
    refusals: int = 0

    def after(self, error: BrokerError) -> "Trouble":
        """With one more."""
        return Trouble(self.failures + 1, self.refusals + isinstance(error, MessageRejected))

    def pause(self, error: BrokerError) -> timedelta:
        """Until the message shall come again: doubles from 1 s to 60 s; a longer pause that is asked for wins."""
        doubled = min(FIRST_PAUSE * 2.0 ** min(self.failures - 1, MOST_DOUBLINGS), LONGEST_PAUSE)
        return max(doubled, (isinstance(error, BrokerUnavailable) and error.retry_after) or timedelta())


@define(eq=False, kw_only=True)
class Consumer:
    """Gives the handler what the stream has for it. `pattern` selects that; `name` is the consumer's, in the stream.

    `unsaid` is what an earlier connection of this consumer left to be said to JetStream.
    """

    connection: Connection
    stream: str
    name: str
    pattern: str
    handler: Callee[Event, None]
    max_attempts: int
    unsaid: list[tuple[str, bytes]]
    _trouble: Trouble = Trouble()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; started when the consumer exists. Raises `BrokerUnavailable` if it ends."""
        await self._declare()
        while self.unsaid:
            await self._say(*self.unsaid.pop())
        inbox = self.connection.client.new_inbox()
        async with self._arrivals(inbox) as arrived:
            task_status.started()
            while True:
                await self._settle(await self._next(inbox, arrived))

    async def _declare(self) -> None:
        config = {
            "name": self.name,
            "durable_name": self.name,
            "description": f"nexo_poller: {name_of(self.handler.function)}",
            "filter_subject": self.pattern,
            "deliver_policy": "new",
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT_SECS * NANOSECONDS,
            "max_ack_pending": 1,
        }
        await ask(
            self.connection,
            f"CONSUMER.CREATE.{self.stream}.{self.name}",
            {"stream_name": self.stream, "config": config},
        )

    @asynccontextmanager
    async def _arrivals(self, inbox: str) -> AsyncIterator["trio.MemoryReceiveChannel[Msg]"]:
        left: trio.MemoryReceiveChannel[Msg] | None = None
        try:
            async with subscribed(self.connection, inbox) as arrived:
                left = arrived
                yield arrived
        finally:
            with trio.move_on_after(PATIENCE_SECS, shield=True):  # or nobody would get them for a while
                while left is not None and left.statistics().current_buffer_used:
                    if reply := left.receive_nowait().reply:
                        await self._say(reply, GIVEN_BACK)

    async def _next(self, inbox: str, arrived: "trio.MemoryReceiveChannel[Msg]") -> Msg:
        """The next message. Raises `BrokerUnavailable` when JetStream says that there will be none."""
        pull = json.dumps({"batch": 1, "expires": PULL_SECS * NANOSECONDS}).encode()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.name}"
        while True:
            await self.connection.aio(self.connection.client.publish, subject, pull, reply=inbox)
            with trio.move_on_after(PULL_SECS + PATIENCE_SECS):
                try:
                    message = await arrived.receive()
                except trio.EndOfChannel:
                    raise away() from None
                status = (message.headers or {}).get("Status")
                if status is None:
                    return message
                if status not in IN_VAIN:
                    raise BrokerUnavailable(f"the consumer '{self.name}' ended: {status} {message.headers}")

    async def _settle(self, message: Msg) -> None:
        said = GIVEN_BACK
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._stay_at_it, message)
                said = self._judge(message, await handled(self.handler, message.data))
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(PATIENCE_SECS, shield=True):  # what is done must not come again
                await self._say(message.reply, said)

    def _judge(self, message: Msg, failures: list[BrokerError]) -> bytes:
        """What to say to JetStream of a message that went so."""
        if not failures:
            self._trouble = Trouble()
            return DONE
        error = verdict(failures)
        self._trouble = self._trouble.after(error)
        who = name_of(self.handler.function)
        if self._trouble.refusals >= self.max_attempts:
            log.error("'%s' refused %s, and does not get it again: %s", who, _name(message), error)
            self._trouble = Trouble()
            return GIVEN_UP
        if self._trouble.failures == 1:
            log.warning("'%s' did not take %s, which will come again: %s", who, _name(message), error)
        delay = self._trouble.pause(error).total_seconds() * NANOSECONDS
        return GIVEN_BACK + json.dumps({"delay": round(delay)}).encode()

    async def _stay_at_it(self, message: Msg) -> None:
        with suppress(BrokerUnavailable, NatsError):
            while True:
                await trio.sleep(ACK_WAIT_SECS / 3)
                await self.connection.aio(message.in_progress)

    async def _say(self, reply: str, what: bytes) -> None:
        """Say it now, or over the next connection: without it, the message would come again."""
        try:
            await self.connection.aio(self.connection.client.publish, reply, what)
        except BrokerAway:
            self.unsaid.append((reply, what))
            raise


def _name(message: Msg) -> str:
    known = (message.headers or {}).get("Nats-Msg-Id")
    return f"event {known or message.metadata.sequence.stream}"
