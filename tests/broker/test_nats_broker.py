"""The broker over a real NATS server: what is acknowledged, what comes back, and what is never lost for it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import nkeys
import pytest
import trio
from attrs import evolve
from broker_contract import *  # noqa: F403 - the contract's tests
from broker_contract import PATIENCE, Inbox, deliver, event, message, shouts
from nats_server import NatsServer, nats_server

from nexo_poller.broker import Broker, Event, Message
from nexo_poller.broker.nats.broker import NatsBroker
from nexo_poller.config.model import BrokerSettings
from nexo_poller.errors import BrokerAway, BrokerUnavailable, ConfigError, MessageRejected, Unrouted


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with nats_server(tmp_path) as server:
        yield server


@pytest.fixture
async def broker(server: NatsServer) -> AsyncIterator[Broker]:
    await server.add_stream("plugin.outbound.>")
    async with NatsBroker.open(server.settings) as broker:
        yield broker


async def test_what_a_stream_covers_is_in_it_with_its_id_once_publish_returns(
    broker: Broker, server: NatsServer
) -> None:
    sent = event()
    await broker.publish(message(sent))
    async with server.client() as client:
        assert await client.kept() == [(sent.id, message(sent).body)]


async def test_a_message_that_comes_again_is_kept_once(broker: Broker, server: NatsServer) -> None:
    sent = event()
    for _ in range(3):
        await broker.publish(message(sent))
    async with server.client() as client:
        assert await client.kept() == [(sent.id, message(sent).body)]


async def test_what_no_stream_covers_is_passed_on_if_somebody_listens_and_said_to_be_at_most_once(
    server: NatsServer,
) -> None:
    warned = list[str]()
    async with NatsBroker.open(server.settings, warn=warned.append) as broker:
        with pytest.raises(Unrouted):
            await broker.publish(message(event()))
        inbox, sent = Inbox(), event()
        async with broker.handle("plugin.outbound.>", inbox):
            await broker.publish(message(sent))
            await broker.publish(message(sent))
            assert await inbox.take(2) == [sent, sent]
        with pytest.raises(Unrouted):
            await broker.publish(message(event()))
    assert warned == [sent.topic]


async def test_several_who_answer_what_they_hear_do_no_harm(server: NatsServer) -> None:
    async with (
        NatsBroker.open(server.settings) as broker,
        server.client() as one,
        server.client() as two,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(one.answer, "plugin.>", b"thanks")
        await nursery.start(two.answer, "plugin.>", b"thanks")
        async with trio.open_nursery() as publishing:
            for _ in range(200):  # at once, so that some of the answers overtake what the server says
                publishing.start_soon(broker.publish, message(event()))
        nursery.cancel_scope.cancel()


async def test_topics_that_are_known_are_warned_of_at_boot(server: NatsServer) -> None:
    await server.add_stream("plugin.outbound.telegram.>")
    warn, warned = trio.open_memory_channel[str](9)
    topics = ["plugin.outbound.telegram.ana", "plugin.outbound.mail.ana", "plugin.outbound.mail.bob"]
    with trio.fail_after(30):
        async with NatsBroker.open(server.settings, topics=topics, warn=warn.send_nowait):
            assert [await warned.receive() for _ in range(2)] == topics[1:]


async def test_a_stream_that_came_later_is_found(server: NatsServer) -> None:
    async with NatsBroker.open(server.settings) as broker:
        with pytest.raises(Unrouted):
            await broker.publish(message(event()))
        await server.add_stream("plugin.outbound.>")
        await broker.publish(message(sent := event()))
    async with server.client() as client:
        assert [id for id, _ in await client.kept()] == [sent.id]  # noqa: A001 - the field's name


async def test_a_stream_that_is_deleted_is_missed_and_the_message_waits(broker: Broker, server: NatsServer) -> None:
    await broker.publish(message(event()))
    async with server.client() as client:
        await client.api("STREAM.DELETE.events", {})
    with pytest.raises(BrokerUnavailable, match="the stream that covered the topic is gone"):
        await broker.publish(message(event()))
    with pytest.raises(Unrouted):
        await broker.publish(message(event()))


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1])
async def test_a_message_too_large_is_refused_and_the_connection_stays(broker: Broker, size: int) -> None:
    with pytest.raises(MessageRejected, match="the NATS server takes 1,048,576 at most"):
        await broker.publish(Message(id="1", topic="plugin.outbound.x", body=b"x" * size))
    await broker.publish(message(event()))


async def test_a_message_too_large_for_the_stream_is_refused_and_a_full_stream_is_not_its_fault(
    server: NatsServer,
) -> None:
    await server.add_stream("small.>", name="small", max_msg_size=1000)
    await server.add_stream("full.>", name="full", max_msgs=1, discard="new")
    async with NatsBroker.open(server.settings) as broker:
        with pytest.raises(MessageRejected, match="message size exceeds maximum"):
            await broker.publish(message(event("small.x", "x" * 2000)))
        await broker.publish(message(event("full.x")))
        with pytest.raises(BrokerUnavailable, match="maximum messages exceeded"):
            await broker.publish(message(event("full.x")))


async def test_a_reply_of_somebody_else_is_no_acknowledgement(server: NatsServer) -> None:
    await server.add_stream("plugin.outbound.>", no_ack=True)
    async with (
        NatsBroker.open(server.settings) as broker,
        server.client() as other,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(other.answer, "plugin.>", b"thanks")
        with pytest.raises(BrokerUnavailable, match="the answer is no acknowledgement"):
            await broker.publish(message(event()))
        nursery.cancel_scope.cancel()


async def test_a_server_that_is_away_is_no_error_at_boot_and_is_found(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    async with NatsBroker.open(server.settings) as broker:
        with pytest.raises(BrokerAway, match="cannot be reached"), trio.fail_after(30):
            await broker.request("a.b", b"", timedelta(seconds=0.1))
        await server.start()
        await server.add_stream("plugin.outbound.>")
        await deliver(broker, event())
        await server.kill()


async def test_an_error_inside_the_block_comes_out_as_it_is(server: NatsServer) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with NatsBroker.open(server.settings):
            raise ValueError("mine")


async def test_publishing_goes_on_over_restarts_and_each_message_is_kept_once_in_order(
    broker: Broker, server: NatsServer
) -> None:
    sent = [event(payload=n) for n in range(300)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(deliver, broker, *sent))
        for _ in range(3):
            await trio.sleep(0.05)
            await server.kill()
            await server.start()
    async with server.client() as client:
        assert [id for id, _ in await client.kept()] == [one.id for one in sent]  # noqa: A001 - the field's name


async def test_without_a_server_a_change_is_heard_when_it_is_back(broker: Broker, server: NatsServer) -> None:
    await server.kill()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broker.changed)
            await server.start()


async def test_a_request_under_way_when_the_server_dies_fails_at_once(broker: Broker, server: NatsServer) -> None:
    asked = trio.Event()

    async def hangs(_: bytes) -> bytes:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    async def ask() -> None:
        with pytest.raises(BrokerAway):
            await broker.request("a.b", b"", timedelta(hours=1))

    with trio.fail_after(30):
        async with broker.answering("a.b", hangs), trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await asked.wait()
            await server.kill()


async def test_answering_goes_on_after_a_restart(broker: Broker, server: NatsServer) -> None:
    async with broker.answering("a.b", shouts):
        await server.kill()
        await server.start()
        with trio.fail_after(30):
            while True:
                try:
                    assert await broker.request("a.b", b"x", PATIENCE) == b"X"
                    break
                except BrokerUnavailable:  # the answering end may be back later than the asking one
                    await trio.lowlevel.checkpoint()


async def test_a_consumer_outlives_its_daemon_and_misses_nothing(server: NatsServer) -> None:
    await server.add_stream("plugin.outbound.>")
    sent, inbox = [event(payload=n) for n in range(4)], Inbox()

    async def handler(one: Event) -> None:
        await inbox(one)

    async with NatsBroker.open(server.settings) as broker:
        async with broker.handle("plugin.outbound.>", handler):
            await deliver(broker, sent[0])
            assert await inbox.take(1) == sent[:1]
        await deliver(broker, *sent[1:3])
    async with NatsBroker.open(server.settings) as broker, broker.handle("plugin.outbound.>", handler):
        await deliver(broker, sent[3])
        assert await inbox.take(3) == sent[1:]


async def test_a_handler_goes_on_after_the_server_was_killed(broker: Broker, server: NatsServer) -> None:
    inbox, sent = Inbox(), [event(payload=n) for n in range(40)]
    with trio.fail_after(60):
        async with broker.handle("plugin.outbound.>", inbox), trio.open_nursery() as nursery:
            nursery.start_soon(partial(deliver, broker, *sent))
            first = await inbox.take(5)
            await server.kill()
            await server.start()
            came = list(dict.fromkeys(one.id for one in [*first, *await inbox.take(35)]))
            while len(came) < 40:  # one that was acknowledged when the server died comes twice
                came = list(dict.fromkeys([*came, *(one.id for one in await inbox.take(1))]))
    assert came == [one.id for one in sent]


async def test_what_a_handler_refuses_too_often_is_given_up_and_the_next_comes(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    await server.add_stream("plugin.outbound.>")
    inbox, bad, good = Inbox(), event(payload="bad"), event(payload="good")

    async def picky(one: Event) -> None:
        if one.payload == "bad":
            raise ValueError("no such chat")
        await inbox(one)

    async with (
        NatsBroker.open(server.settings, max_attempts=2) as broker,
        broker.handle("plugin.outbound.>", picky),
    ):
        await deliver(broker, bad, good)
        assert await inbox.take(1) == [good]
    assert f"refused event {bad.id}, and does not get it again" in caplog.text


async def test_unavailability_is_no_refusal(server: NatsServer) -> None:
    await server.add_stream("plugin.outbound.>")
    inbox, tries = Inbox(), list[Event]()

    async def down_at_first(one: Event) -> None:
        tries.append(one)
        if len(tries) == 1:
            raise BrokerUnavailable("down")
        await inbox(one)

    async with (
        NatsBroker.open(server.settings, max_attempts=1) as broker,
        broker.handle("plugin.outbound.>", down_at_first),
    ):
        await deliver(broker, sent := event())
        assert await inbox.take(1) == [sent]


async def test_a_pattern_over_several_streams_gets_from_all_and_only_what_it_matches(server: NatsServer) -> None:
    await server.add_stream("plugin.outbound.telegram.>", "plugin.inbound.>", name="one")
    await server.add_stream("plugin.outbound.mail.*", "other.>", name="two")
    inbox = Inbox()
    sent = [event(f"plugin.outbound.{name}") for name in ("telegram.ana", "mail.ana", "telegram.bob")]
    async with NatsBroker.open(server.settings) as broker, broker.handle("plugin.outbound.*.ana", inbox):
        await deliver(broker, *sent, event("other.x"))
        assert sorted(await inbox.take(2), key=str) == sorted(sent[:2], key=str)
    assert inbox.is_empty


@pytest.fixture
def nkey(tmp_path: Path) -> tuple[Path, str]:
    """A file with a seed, and the public key that belongs to it."""
    file, seed = tmp_path / "user.nk", nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    file.write_bytes(seed + b"\n")
    return file, nkeys.from_seed(bytearray(seed)).public_key.decode()


async def test_an_nkey_opens_a_server_that_wants_one(tmp_path: Path, nkey: tuple[Path, str]) -> None:
    file, public_key = nkey
    config = f'accounts {{ A {{ jetstream: enabled, users: [{{ nkey: "{public_key}" }}] }} }}\n'
    async with nats_server(tmp_path, config) as server:
        with pytest.raises(BrokerAway):
            async with NatsBroker.open(server.settings) as broker:
                await broker.request("a.b", b"", timedelta(seconds=0.2))
        async with NatsBroker.open(evolve(server.settings, nkey_file=file)) as broker:
            with pytest.raises(Unrouted):
                await broker.request("a.b", b"", PATIENCE)


@pytest.mark.parametrize("contents", [None, b"", b"SUAMSECRETSEEDTHATISNONE"])
async def test_a_file_without_a_seed_refuses_the_boot_and_shows_nothing(tmp_path: Path, contents: bytes | None) -> None:
    file = tmp_path / "user.nk"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(ConfigError, match=str(file)) as caught:
        async with NatsBroker.open(BrokerSettings(type="nats", nkey_file=file)):
            pass
    assert "SECRET" not in str(caught.value)


async def test_what_stands_in_the_url_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = BrokerSettings(type="nats", url="nats://ana:hunter2@127.0.0.1:1")
    caplog.set_level("INFO")
    async with NatsBroker.open(settings) as broker:
        with pytest.raises(BrokerAway):
            await broker.request("a.b", b"", timedelta(seconds=0.2))
    assert "127.0.0.1:1 cannot be reached" in caplog.text
    assert "hunter2" not in caplog.text
    assert "ana" not in caplog.text


async def test_what_a_handler_has_done_does_not_come_again_though_it_left_at_once(broker: Broker) -> None:
    inbox, sent = Inbox(), [event(payload=n) for n in range(30)]
    for one in sent:
        async with broker.handle("plugin.outbound.>", inbox):
            await deliver(broker, one)
            assert await inbox.take(1) == [one]


async def test_what_a_handler_has_done_while_the_server_was_away_does_not_come_again(
    broker: Broker, server: NatsServer
) -> None:
    inbox, asked, done = Inbox(), trio.Event(), trio.Event()
    sent = [event(payload=n) for n in range(2)]

    async def slow(one: Event) -> None:
        asked.set()
        await done.wait()
        await inbox(one)

    with trio.fail_after(60):
        async with broker.handle("plugin.outbound.>", slow):
            await deliver(broker, *sent)
            await asked.wait()
            await server.kill()
            await server.start()
            done.set()
            assert await inbox.take(2) == sent
