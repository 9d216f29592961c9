"""Events from NATS to a handler: by a durable consumer of every stream that keeps some of them, else by core NATS."""

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import trio
from attrs import field, frozen

from nexo_poller.broker import Event
from nexo_poller.broker.calls import Callee
from nexo_poller.broker.handling import handled, name_of, verdict
from nexo_poller.broker.nats.connection import Connection, away
from nexo_poller.broker.nats.consumer import Consumer
from nexo_poller.broker.nats.jetstream import streams_over
from nexo_poller.broker.nats.subscribed import subscribed
from nexo_poller.broker.subjects import Pattern

LOOK_AGAIN_SECS: Final = 10  # for streams that came or went
LONGEST_NAME: Final = 64  # of a handler, in the name of its consumer

log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Following:
    """A handler, and what it wants. `name` is that of its durable consumers."""

    name: str
    pattern: Pattern
    handler: Callee[Event, None]
    max_attempts: int
    _unsaid: defaultdict[str, list[tuple[str, bytes]]] = field(init=False, factory=lambda: defaultdict(list))

    async def over(self, connection: Connection, begun: trio.Event) -> None:
        """Give the handler what comes. Returns when other streams are to be followed; raises `BrokerUnavailable`."""
        streams = await streams_over(connection, self.pattern.text)
        async with trio.open_nursery() as nursery:
            if not streams:
                await nursery.start(self._listen, connection)
            for stream in streams:
                await nursery.start(self._consumer(connection, stream).run)
            begun.set()
            await self._others_than(streams, connection)
            nursery.cancel_scope.cancel()

    def _consumer(self, connection: Connection, stream: str) -> Consumer:
        return Consumer(
            connection=connection,
            stream=stream,
            name=self.name,
            pattern=self.pattern.text,
            handler=self.handler,
            max_attempts=self.max_attempts,
            unsaid=self._unsaid[stream],
        )

    async def _listen(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        log.warning(
            "no stream keeps '%s', so '%s' gets it at most once", self.pattern.text, name_of(self.handler.function)
        )
        async with subscribed(connection, self.pattern.text) as arrived:
            task_status.started()
            async for message in arrived:
                if failures := await handled(self.handler, message.data):
                    log.error(
                        "'%s' did not take an event, which is lost: %s",
                        name_of(self.handler.function),
                        verdict(failures),
                    )
        raise away()

    async def _others_than(self, streams: Sequence[str], connection: Connection) -> None:
        found = streams
        while found == streams:
            await trio.sleep(LOOK_AGAIN_SECS)
            found = await streams_over(connection, self.pattern.text)


def consumer_name(pattern: str, handler: Callee[Event, None], nth: int) -> str:
    """The name by which the same program finds its place again: of the handler and the pattern.

    `nth` tells those apart that are alike in both, counted from 0.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "_", name_of(handler.function)).strip("_")[-LONGEST_NAME:]
    return f"nexo_poller-{readable}-{hashlib.sha256(pattern.encode()).hexdigest()[:12]}-{nth}"
