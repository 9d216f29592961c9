"""What every `Broker` does. A test module of an implementation imports all of it and provides the fixture `broker`.

Some brokers call handlers while `publish` waits, others accept a message and redeliver it themselves: nothing here
depends on which. `deliver` publishes as the relay does, until the message is accepted.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import trio

from nexo_poller.broker import Broker, Event, Message
from nexo_poller.errors import BrokerUnavailable, MessageRejected, NoAnswer, Unrouted
from nexo_poller.event import event_json

PATIENCE = timedelta(seconds=10)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(topic: str = "plugin.outbound.telegram.ana_bot", payload: Any = None) -> Event:
    return Event(id=str(uuid4()), timestamp=NOON, topic=topic, source="plugin.poller", session_id=None, payload=payload)


def message(of: Event) -> Message:
    return Message(id=of.id, topic=of.topic, body=event_json(of))


async def deliver(broker: Broker, *events: Event) -> None:
    """Each of `events`, accepted before the next."""
    for one in events:
        while True:
            try:
                await broker.publish(message(one))
                break
            except (BrokerUnavailable, MessageRejected):
                await trio.lowlevel.checkpoint()


class Inbox:
    """A handler that keeps what it gets, and can be waited for."""

    def __init__(self) -> None:
        self._put, self._got = trio.open_memory_channel[Event](math.inf)

    async def __call__(self, event: Event) -> None:
        await self._put.send(event)

    async def take(self, count: int) -> list[Event]:
        with trio.fail_after(10):
            return [await self._got.receive() for _ in range(count)]

    @property
    def is_empty(self) -> bool:
        return self._got.statistics().current_buffer_used == 0


async def test_a_handler_gets_the_event_that_was_published(broker: Broker) -> None:
    inbox, sent = Inbox(), event(payload={"text": "für €", "to": "42", "n": [1, 2.5, None]})
    async with broker.handle("plugin.outbound.telegram.ana_bot", inbox):
        await deliver(broker, sent)
        assert await inbox.take(1) == [sent]


async def test_a_handler_gets_what_its_pattern_matches_and_nothing_else(broker: Broker) -> None:
    one, many, everything = Inbox(), Inbox(), Inbox()
    sent = [event(f"plugin.outbound.{name}") for name in ("telegram.ana", "telegram.ana.b", "telegram", "mail.ana")]
    async with (
        broker.handle("plugin.outbound.*.ana", one),
        broker.handle("plugin.outbound.telegram.>", many),
        broker.handle("plugin.outbound.>", everything),
    ):
        await deliver(broker, *sent)
        assert await everything.take(4) == sent
        assert await one.take(2) == [sent[0], sent[3]]
        assert await many.take(2) == sent[:2]


async def test_events_of_one_topic_come_in_order(broker: Broker) -> None:
    inbox, sent = Inbox(), [event(payload=n) for n in range(20)]
    async with broker.handle("plugin.outbound.>", inbox):
        await deliver(broker, *sent)
        assert await inbox.take(20) == sent


async def test_an_event_whose_handler_fails_comes_again_as_the_same(broker: Broker) -> None:
    inbox, seen = Inbox(), list[Event]()

    async def fails_at_first(event: Event) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise RuntimeError("not yet")
        await inbox(event)

    sent = event()
    async with broker.handle("plugin.outbound.>", fails_at_first):
        await deliver(broker, sent)
        await inbox.take(1)
    assert seen == [sent, sent]


async def test_outside_its_block_a_handler_is_not_called(broker: Broker) -> None:
    gone, here = Inbox(), Inbox()
    first, second = event(payload=1), event(payload=2)
    async with broker.handle("plugin.outbound.>", here):
        async with broker.handle("plugin.outbound.>", gone):
            await deliver(broker, first)
            assert await gone.take(1) == [first]
        await deliver(broker, second)
        assert await here.take(2) == [first, second]
    assert gone.is_empty


async def test_a_stream_brings_the_events_that_match(broker: Broker) -> None:
    sent = [event("plugin.outbound.telegram", n) for n in range(3)]
    came: list[Event] = []
    with trio.fail_after(10):
        async with broker.subscribe("plugin.*.telegram") as stream, trio.open_nursery() as nursery:
            nursery.start_soon(deliver, broker, *sent)
            async for one in stream:
                came.append(one)
                if len(came) == 3:
                    nursery.cancel_scope.cancel()
    assert came == sent


async def test_an_event_that_a_stream_s_reader_left_in_hand_comes_again(broker: Broker) -> None:
    sent = event("plugin.outbound.telegram")
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            async with broker.subscribe("plugin.outbound.telegram") as first:
                nursery.start_soon(deliver, broker, sent)
                assert await first.receive() == sent
            async with broker.subscribe("plugin.outbound.telegram") as second:
                assert await second.receive() == sent
                nursery.cancel_scope.cancel()


async def test_whoever_waits_for_a_change_hears_of_a_subscription(broker: Broker) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broker.changed)
            await trio.testing.wait_all_tasks_blocked()
            await nursery.start(_subscribed, broker, nursery.cancel_scope)


async def _subscribed(broker: Broker, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
    async with broker.handle("plugin.outbound.>", Inbox()):
        task_status.started()


async def shouts(body: bytes) -> bytes:
    return body.upper()


async def test_a_request_brings_the_answer_of_whoever_matches(broker: Broker) -> None:
    async with broker.answering("plugin.poller.*.tick", shouts):
        assert await broker.request("plugin.poller.jira.tick", b"one", PATIENCE) == b"ONE"
        with pytest.raises(Unrouted, match=r"plugin\.poller\.jira\.tools"):
            await broker.request("plugin.poller.jira.tools", b"one", PATIENCE)
    with pytest.raises(Unrouted):
        await broker.request("plugin.poller.jira.tick", b"one", PATIENCE)


async def test_requests_are_answered_side_by_side_each_with_its_own(broker: Broker) -> None:
    answers, both = dict[bytes, bytes](), trio.Event()

    async def waits_for_the_other(body: bytes) -> bytes:
        if body == b"first":
            await both.wait()
        both.set()
        return await shouts(body)

    async def ask(body: bytes) -> None:
        answers[body] = await broker.request("a.b", body, PATIENCE)

    async with broker.answering("a.b", waits_for_the_other), trio.open_nursery() as nursery:
        nursery.start_soon(ask, b"first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, b"second")
    assert answers == {b"first": b"FIRST", b"second": b"SECOND"}


async def test_of_several_who_could_answer_one_is_asked(broker: Broker) -> None:
    asked = list[bytes]()

    async def answer(body: bytes) -> bytes:
        asked.append(body)
        return body

    async with broker.answering("a.*", answer), broker.answering("a.*", answer):
        for n in range(10):
            assert await broker.request("a.b", b"%d" % n, PATIENCE) == b"%d" % n
    assert asked == [b"%d" % n for n in range(10)]


async def test_an_answer_that_does_not_come_in_time_is_given_up(broker: Broker) -> None:
    async def hangs(_: bytes) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async with broker.answering("a.b", hangs):
        with pytest.raises(NoAnswer, match=r"no answer came from 'a\.b' within 0\.05 s"):
            await broker.request("a.b", b"", timedelta(seconds=0.05))


async def test_a_responder_that_fails_says_so_at_once_and_goes_on(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async def answers_numbers(body: bytes) -> bytes:
        return b"%d" % (int(body) + 1)

    async with broker.answering("a.b", answers_numbers):
        with pytest.raises(BrokerUnavailable, match="whoever was asked failed: ValueError") as caught:
            await broker.request("a.b", b"two", PATIENCE)
        assert not isinstance(caught.value, Unrouted | NoAnswer)
        assert "answers_numbers" in caplog.text
        assert await broker.request("a.b", b"2", PATIENCE) == b"3"


async def test_leaving_a_responder_s_block_ends_its_answers_first(broker: Broker) -> None:
    ended = trio.Event()

    async def hangs(_: bytes) -> bytes:
        started.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()
        raise AssertionError

    async def ask() -> None:
        with pytest.raises(BrokerUnavailable):
            await broker.request("a.b", b"", timedelta(seconds=1))

    started = trio.Event()
    async with trio.open_nursery() as nursery:
        async with broker.answering("a.b", hangs):
            nursery.start_soon(ask)
            await started.wait()
        assert ended.is_set()


async def test_a_request_that_is_cancelled_leaves_the_broker_well(broker: Broker) -> None:
    started = trio.Event()

    async def hangs_once(body: bytes) -> bytes:
        if not started.is_set():
            started.set()
            await trio.sleep_forever()
        return body

    async with broker.answering("a.b", hangs_once):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broker.request, "a.b", b"", PATIENCE)
            await started.wait()
            nursery.cancel_scope.cancel()
        assert await broker.request("a.b", b"again", PATIENCE) == b"again"


async def test_a_pattern_that_is_none_is_refused_by_whoever_would_answer(broker: Broker) -> None:
    with pytest.raises(ValueError, match="empty token"):
        async with broker.answering("a..b", shouts):
            pass
