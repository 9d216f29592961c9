"""The broker in the process: who is called, and what a failure says of the message."""

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import trio
from broker_contract import *  # noqa: F403 - the contract's tests
from broker_contract import Inbox, event, message
from trio.testing import wait_all_tasks_blocked

from nexo_poller.broker import Broker, Event
from nexo_poller.broker.local import LocalBroker
from nexo_poller.errors import BrokerUnavailable, MessageRejected, Unrouted

ALL = "plugin.outbound.>"


@pytest.fixture
def broker() -> Broker:
    return LocalBroker()


async def hangs(event: Event) -> None:
    await trio.sleep_forever()


async def fails(event: Event) -> None:
    raise ValueError("no such chat")


async def is_down(event: Event) -> None:
    raise BrokerUnavailable("down", retry_after=timedelta(seconds=7))


async def publish(broker: Broker, one: Event, outcome: list[object]) -> None:
    """Publish, and note the error or None."""
    try:
        await broker.publish(message(one))
        outcome.append(None)
    except (BrokerUnavailable, MessageRejected) as error:
        outcome.append(error)


async def test_a_message_nobody_wants_is_unrouted(broker: Broker) -> None:
    with pytest.raises(Unrouted, match=r"plugin\.outbound\.telegram"):
        await broker.publish(message(event("plugin.outbound.telegram")))
    async with broker.handle("plugin.outbound.telegram", Inbox()):
        await broker.publish(message(event("plugin.outbound.telegram")))
        with pytest.raises(Unrouted):
            await broker.publish(message(event("plugin.outbound.telegram.ana")))
    with pytest.raises(Unrouted):
        await broker.publish(message(event("plugin.outbound.telegram")))


async def test_a_wrong_pattern_is_refused_where_it_is_written(broker: Broker) -> None:
    with pytest.raises(ValueError, match="wildcard out of place"):
        async with broker.handle("plugin.>.x", Inbox()):
            pass
    with pytest.raises(ValueError, match="empty token"):
        async with broker.subscribe("plugin..x"):
            pass


async def test_publish_returns_when_the_last_handler_has(broker: Broker) -> None:
    go, order = trio.Event(), list[object]()

    async def slow(event: Event) -> None:
        await go.wait()
        order.append("slow")

    async def fast(event: Event) -> None:
        order.append("fast")

    async with broker.handle(ALL, slow), broker.handle(ALL, fast), trio.open_nursery() as nursery:
        nursery.start_soon(publish, broker, event(), order)
        await wait_all_tasks_blocked()
        assert order == ["fast"]
        go.set()
    assert order == ["fast", "slow", None]


async def test_a_handler_s_exception_rejects_the_message_and_is_named(broker: Broker) -> None:
    async with broker.handle(ALL, fails):
        with pytest.raises(MessageRejected, match="handler 'fails': ValueError: no such chat") as caught:
            await broker.publish(message(event()))
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_handler_s_own_verdict_passes(broker: Broker) -> None:
    async def refuses(event: Event) -> None:
        raise MessageRejected("chat was deleted")

    async with broker.handle(ALL, refuses):
        with pytest.raises(MessageRejected, match=r"^chat was deleted$"):
            await broker.publish(message(event()))
    async with broker.handle(ALL, is_down):
        with pytest.raises(BrokerUnavailable, match=r"^down$") as caught:
            await broker.publish(message(event()))
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_while_one_handler_is_unavailable_the_failure_of_another_does_not_count(broker: Broker) -> None:
    async def is_down_for_long(event: Event) -> None:
        raise BrokerUnavailable("down for long", retry_after=timedelta(seconds=9))

    async with broker.handle(ALL, fails), broker.handle(ALL, is_down_for_long), broker.handle(ALL, is_down):
        with pytest.raises(BrokerUnavailable, match="down for long"):
            await broker.publish(message(event()))


async def test_all_who_reject_a_message_are_named(broker: Broker) -> None:
    async with broker.handle(ALL, fails), broker.handle(ALL, fails), broker.handle(ALL, Inbox()):
        with pytest.raises(MessageRejected, match=r"no such chat; .*no such chat"):
            await broker.publish(message(event()))


async def test_a_group_of_errors_is_taken_apart(broker: Broker) -> None:
    async def both(event: Event) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, event)
            nursery.start_soon(is_down, event)

    async with broker.handle(ALL, both):
        with pytest.raises(BrokerUnavailable, match="down"):
            await broker.publish(message(event()))

    async def nested(event: Event) -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("a"), TypeError("b")])])

    async with broker.handle(ALL, nested):
        with pytest.raises(MessageRejected, match=r"ValueError: a; .*TypeError: b"):
            await broker.publish(message(event()))


async def test_a_failing_handler_stops_no_other(broker: Broker) -> None:
    inbox = Inbox()

    async def slow(event: Event) -> None:
        await wait_all_tasks_blocked()
        await inbox(event)

    async with broker.handle(ALL, fails), broker.handle(ALL, slow):
        with pytest.raises(MessageRejected):
            await broker.publish(message(sent := event()))
    assert await inbox.take(1) == [sent]


async def test_an_interrupt_is_no_verdict(broker: Broker) -> None:
    async def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    async with broker.handle(ALL, interrupted):
        with pytest.raises(BaseExceptionGroup) as caught:
            await broker.publish(message(event()))
    assert caught.group_contains(KeyboardInterrupt)


async def test_a_cancelled_publish_cancels_its_handlers_even_if_they_fail_over_it(broker: Broker) -> None:
    async def fails_when_cancelled(event: Event) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("cut off")

    async with broker.handle(ALL, fails_when_cancelled), trio.open_nursery() as nursery:
        nursery.start_soon(broker.publish, message(event()))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_handlers_do_not_share_an_event(broker: Broker) -> None:
    inboxes = [Inbox(), Inbox()]

    async def changes_it(event: Event) -> None:
        event.payload["text"] = "changed"

    async with broker.handle(ALL, inboxes[0]), broker.handle(ALL, changes_it), broker.handle(ALL, inboxes[1]):
        await broker.publish(message(event(payload={"text": "as sent"})))
    for inbox in inboxes:
        assert [event.payload for event in await inbox.take(1)] == [{"text": "as sent"}]


async def test_leaving_a_block_ends_its_calls_first_and_leaves_the_message_open(broker: Broker) -> None:
    outcome, ended = list[object](), list[str]()

    async def slow_to_end(event: Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
            ended.append("handler")

    async with trio.open_nursery() as nursery:
        async with broker.handle(ALL, slow_to_end):
            nursery.start_soon(publish, broker, event(), outcome)
            await wait_all_tasks_blocked()
        ended.append("block")
    assert ended == ["handler", "block"]
    assert isinstance(outcome[0], BrokerUnavailable)
    assert not isinstance(outcome[0], Unrouted)


async def test_a_handler_may_leave_its_own_block(broker: Broker) -> None:
    block, outcome = AsyncExitStack(), list[object]()

    async def leaves(event: Event) -> None:
        await block.aclose()

    await block.enter_async_context(broker.handle(ALL, leaves))
    with trio.fail_after(5):
        await publish(broker, event(), outcome)
    assert isinstance(outcome[0], BrokerUnavailable)
    with pytest.raises(Unrouted):
        await broker.publish(message(event()))


async def test_a_stream_acknowledges_when_its_reader_asks_for_the_next(broker: Broker) -> None:
    outcome = list[object]()
    async with broker.subscribe(ALL) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(publish, broker, event(), outcome)
        await stream.receive()
        await wait_all_tasks_blocked()
        assert outcome == []
        nursery.start_soon(stream.receive)
        await wait_all_tasks_blocked()
        assert outcome == [None]
        nursery.cancel_scope.cancel()


async def test_asking_for_the_next_acknowledges_even_if_cancelled(broker: Broker) -> None:
    outcome = list[object]()
    async with trio.open_nursery() as nursery, broker.subscribe(ALL) as stream:
        nursery.start_soon(publish, broker, event(), outcome)
        await stream.receive()
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.receive()
    assert outcome == [None]


@pytest.mark.parametrize("leave", ["block", "aclose"])
async def test_what_a_reader_leaves_is_not_acknowledged(broker: Broker, leave: str) -> None:
    outcome = list[object]()
    async with trio.open_nursery() as nursery, broker.subscribe(ALL) as stream:
        nursery.start_soon(publish, broker, event(payload="in hand"), outcome)
        await wait_all_tasks_blocked()
        nursery.start_soon(publish, broker, event(payload="waiting"), outcome)
        await wait_all_tasks_blocked()
        assert (await stream.receive()).payload == "in hand"
        if leave == "aclose":
            await stream.aclose()
            await publish(broker, event(payload="late"), outcome)
    assert [type(error) for error in outcome] == [BrokerUnavailable] * (2 if leave == "block" else 3)
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive()


async def test_those_who_publish_to_one_stream_at_once_are_served_in_order(broker: Broker) -> None:
    outcome = list[object]()
    async with broker.subscribe(ALL) as stream, trio.open_nursery() as nursery:
        for n in range(5):
            nursery.start_soon(publish, broker, event(payload=n), outcome)
            await wait_all_tasks_blocked()
        assert [(await stream.receive()).payload for _ in range(5)] == [0, 1, 2, 3, 4]
        await wait_all_tasks_blocked()
        assert outcome == [None] * 4
        nursery.cancel_scope.cancel()


async def test_a_cancelled_publish_takes_back_what_no_reader_has_yet(broker: Broker) -> None:
    outcome = list[object]()
    async with broker.subscribe(ALL) as stream, trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(_cancel_when_blocked, scope)
            await broker.publish(message(event(payload="taken back")))
        nursery.start_soon(publish, broker, event(payload="stays"), outcome)
        await wait_all_tasks_blocked()
        assert (await stream.receive()).payload == "stays"
        nursery.cancel_scope.cancel()


async def test_an_acknowledgement_that_comes_after_its_publish_was_cancelled_settles_no_other(broker: Broker) -> None:
    outcome = list[object]()
    async with broker.subscribe(ALL) as stream, trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(stream.receive)
            nursery.start_soon(_cancel_when_blocked, scope)
            await broker.publish(message(event(payload="cancelled")))
        nursery.start_soon(publish, broker, event(payload="next"), outcome)
        await wait_all_tasks_blocked()
        assert (await stream.receive()).payload == "next"
        await wait_all_tasks_blocked()
        assert outcome == []
        nursery.cancel_scope.cancel()


async def _cancel_when_blocked(scope: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()


async def test_an_unrouted_message_can_go_as_soon_as_a_change_is_heard(broker: Broker) -> None:
    inbox, outcome = Inbox(), list[object]()

    async def relay(*, task_status: trio.TaskStatus[None]) -> None:
        with pytest.raises(Unrouted):
            await broker.publish(message(event()))
        task_status.started()
        await broker.changed()
        await publish(broker, event(), outcome)

    async with trio.open_nursery() as nursery:
        await nursery.start(relay)
        async with broker.handle(ALL, inbox):
            await inbox.take(1)
    assert outcome == [None]
