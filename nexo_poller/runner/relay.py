"""From the outbox to the broker.

Theory of operation. One process at a time relays a store (M2): it holds a lease like a job's, renewed while it works,
and its fence is named in every delete. Messages of one lane (a job's messages on one topic, or its alerts) go one after
the other; lanes go side by side. A message is deleted only after the broker has accepted it, so:

- killed before the broker accepts: it is still in the outbox and goes out after the takeover;
- killed between acceptance and delete: it goes out again, with the same id, and can be recognised;
- the lease is lost between acceptance and delete: the delete fails, and the next holder sends it again, same id;
- the delete fails: it is repeated, and the message is not published again by us.

A lane whose head cannot be delivered waits, with backoff, and holds back nothing but itself. Only a refusal of this
very message counts against it (M4); after `max_attempts` it becomes a dead letter and its lane goes on.

Rejected: reading the outbox in order of commit (one blocked lane with a thousand messages hides all others), keeping
attempts for an unreachable broker in the store (a write for every message of an outage).
"""

import logging
import math
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

import trio
from attrs import Factory, define, field, frozen

from nexo_poller.broker import Broker
from nexo_poller.broker.topics import without_account
from nexo_poller.clock import Clock
from nexo_poller.errors import BrokerAway, BrokerUnavailable, LeaseLost, MessageRejected, Unrouted
from nexo_poller.failures import describe
from nexo_poller.masking import Mask
from nexo_poller.runner.deliveries import tell_of_dead_letter, tell_of_delivery
from nexo_poller.runner.events import Feed
from nexo_poller.runner.lease import HeldLease
from nexo_poller.runner.patience import answered, finished_shielded
from nexo_poller.store import LaneHead, Lease, Pending, Store

TTL: Final = timedelta(seconds=30)
VIRTUAL_TTL: Final = timedelta(days=1)  # nobody is there to take it over, and renewing it was most of a week's work
LOOK_AGAIN: Final = 2.0  # after the 5 s in which a death is noticed (L5), so that a dead relay is replaced within 10
LANES_AT_ONCE: Final = 256
LANES_OF_A_TOPIC: Final = 16  # one slow channel must not take all places
READ_AHEAD: Final = 32
SHORTEST_BACKOFF: Final = timedelta(seconds=1)
LONGEST_BACKOFF: Final = timedelta(seconds=60)
LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
MOST_DOUBLINGS: Final = 6
DEDUPLICATION_WINDOW: Final = timedelta(minutes=2)  # JetStream's, unless it is told otherwise (M6)

log = logging.getLogger(__name__)


@frozen
class Blocked:
    """Why a lane waits: so many failures in a row, the last one saying `why`."""

    failures: int
    until: datetime
    why: BrokerUnavailable | MessageRejected


def backoff(failures: int, retry_after: timedelta | None) -> timedelta:
    """The pause after the `failures`-th (>= 1) failure in a row: doubles from 1 s to 60 s; a longer `retry_after` wins."""
    doubled = min(SHORTEST_BACKOFF * 2.0 ** min(failures - 1, MOST_DOUBLINGS), LONGEST_BACKOFF)
    return max(doubled, min(retry_after or timedelta(), LONGEST_RETRY_AFTER))


@define(eq=False, kw_only=True)
class Relay:
    """Publishes what the outbox holds, for as long as `run` runs."""

    store: Store
    broker: Broker
    clock: Clock
    mask: Mask
    max_attempts: int
    feed: Feed
    _blocked: dict[str, Blocked] = Factory(dict)
    _under_way: dict[str, str] = Factory(dict)  # lane -> topic
    _woken: trio.Event = Factory(trio.Event)
    _finishing: bool = False
    _since: datetime | None = None
    _has_warned: bool = False
    _idle: trio.Event = field(factory=trio.Event)

    def wake(self) -> None:
        """Look at the outbox again."""
        self._woken.set()

    def unrouted(self) -> set[str]:
        """Topics with messages that nobody subscribes to."""
        return {blocked.why.topic for blocked in self._blocked.values() if isinstance(blocked.why, Unrouted)}

    async def finish(self) -> None:
        """Begin nothing new; return when nothing is under way."""
        self._finishing = True
        self.wake()
        if self._under_way:
            self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        """Relay whenever the lease can be had, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_routes)
            ttl = VIRTUAL_TTL if self.clock.virtual else TTL
            while True:
                sent = trio.current_time()
                lease = await answered(lambda: self.store.claim_relay(ttl))
                if lease is None:
                    await trio.sleep(LOOK_AGAIN)
                else:
                    await self._relay(HeldLease(self.store, lease, ttl, sent))

    async def _relay(self, held: HeldLease) -> None:
        self._since, self._has_warned = self.clock.now(), False
        try:
            async with held.kept():
                await self._deliver(held.lease)
        finally:
            await finished_shielded(lambda: self.store.release(held.lease))

    async def _deliver(self, lease: Lease) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                self._woken = trio.Event()
                heads = await answered(self.store.lanes)
                self._blocked = {head.lane: self._blocked[head.lane] for head in heads if head.lane in self._blocked}
                pause = self._start_lanes(heads, lease, nursery)
                with trio.move_on_after(pause):
                    await self._woken.wait()

    def _start_lanes(self, heads: list[LaneHead], lease: Lease, nursery: trio.Nursery) -> float:
        """Start every lane that may go; returns the seconds until another one may."""
        if self._finishing:
            return math.inf
        now, soonest = self.clock.now(), math.inf
        topics = Counter(self._under_way.values())
        for head in heads:
            topic = topic_of(head.lane)
            if head.lane in self._under_way or topics[topic] >= LANES_OF_A_TOPIC:
                continue
            wait = (self._may_go(head, now) - now).total_seconds()
            if wait > 0:
                soonest = min(soonest, wait)
            elif len(self._under_way) < LANES_AT_ONCE:
                topics[topic] += 1
                self._under_way[head.lane] = topic
                nursery.start_soon(self._drain, head.lane, lease, nursery.cancel_scope)
        return soonest

    def _may_go(self, head: LaneHead, now: datetime) -> datetime:
        blocked = self._blocked.get(head.lane)
        return max(now if head.not_before is None else head.not_before, now if blocked is None else blocked.until)

    def _may_send(self, pending: Pending) -> bool:
        is_early = pending.not_before is not None and pending.not_before > self.clock.now()
        return not (is_early or self._finishing)

    async def _drain(self, lane: str, lease: Lease, scope: trio.CancelScope) -> None:
        """Deliver the lane's messages until none may go any more."""
        try:
            while batch := await answered(lambda: self.store.pending(lane, READ_AHEAD)):
                for pending in batch:
                    if not self._may_send(pending) or not await self._send(lane, pending, lease):
                        return
        except LeaseLost:
            scope.cancel()
        finally:
            del self._under_way[lane]
            if not self._under_way:
                self._idle.set()
            self.wake()

    async def _send(self, lane: str, pending: Pending, lease: Lease) -> bool:
        """Whether the lane may go on with its next message."""
        self._warn_of_age(lane, pending)
        try:
            await self.broker.publish(pending.message)
        except MessageRejected as error:
            return await self._refused(lane, pending, lease, error)
        except BrokerUnavailable as error:
            self._block(lane, error, error.retry_after)
            return False
        except Exception as error:  # noqa: BLE001 - a fault of the broker's, which must not end the daemon
            self._block(lane, BrokerUnavailable(f"the broker failed: {type(error).__name__}: {describe(error)}"), None)
            return False
        await finished_shielded(lambda: self.store.delivered(lease, [pending.seq]))
        tell_of_delivery(self.feed, pending.job_id, pending.message)
        self._blocked.pop(lane, None)
        return True

    async def _refused(self, lane: str, pending: Pending, lease: Lease, error: MessageRejected) -> bool:
        topic = pending.message.topic
        text = self.mask(str(error)).replace(topic, without_account(topic))
        if pending.attempts + 1 < self.max_attempts:
            await finished_shielded(lambda: self.store.refused(lease, pending, text))
            self._block(lane, error, None)
            return False
        await finished_shielded(lambda: self.store.dead(lease, pending, text))
        tell_of_dead_letter(self.feed, pending.job_id, pending.message, text)
        self._blocked.pop(lane, None)
        return True

    def _warn_of_age(self, lane: str, pending: Pending) -> None:
        """Say once that a message may have been accepted before, too long ago for a broker to recognise it (M6)."""
        age = self.clock.now() - pending.created_at
        if self._has_warned or age <= DEDUPLICATION_WINDOW or self._since is None:
            return
        why = self._blocked[lane].why if lane in self._blocked else None
        is_unsure = isinstance(why, BrokerUnavailable) and not isinstance(why, Unrouted)
        if is_unsure or pending.created_at < self._since:
            self._has_warned = True
            log.warning(
                "%s: sending a message of %s ago that may have been accepted before; if it was, its id is the only "
                "sign of it",
                without_account(topic_of(lane)),
                timedelta(seconds=round(age.total_seconds())),
            )

    def _block(self, lane: str, why: BrokerUnavailable | MessageRejected, retry_after: timedelta | None) -> None:
        failures = self._blocked[lane].failures + 1 if lane in self._blocked else 1
        pause = backoff(failures, retry_after)
        self._blocked[lane] = Blocked(failures, self.clock.now() + pause, why)
        if failures == 1:
            topic = topic_of(lane)
            said = self.mask(str(why)).replace(topic, without_account(topic))
            log.warning("%s: not delivered, trying again: %s", without_account(topic), said)

    async def _follow_routes(self) -> None:
        while True:
            await self.broker.changed()
            self._blocked = {
                lane: blocked
                for lane, blocked in self._blocked.items()
                if not isinstance(blocked.why, Unrouted | BrokerAway)
            }
            self.wake()


def topic_of(lane: str) -> str:
    """The topic in a lane's name: `<job>/<topic>`, for alerts `<job>!<topic>`; a job's id has neither mark."""
    return re.split("[/!]", lane, maxsplit=1)[1]
