"""Servers that are none, that do not let us, and others who answer and send what they should not."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import nkeys
import pytest
import trio
import trustme
from attrs import evolve
from broker_contract import PATIENCE, Inbox, deliver, event, message, shouts
from nats_server import NatsServer, nats_server
from trio_asyncio import aio_as_trio

from nexo_poller.broker import Event
from nexo_poller.broker.nats import subscribed
from nexo_poller.broker.nats.broker import NatsBroker
from nexo_poller.config.model import BrokerSettings
from nexo_poller.errors import BrokerAway, BrokerUnavailable, Unrouted
from nexo_poller.masking import fingerprint


async def logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Return once the log has it."""
    with trio.fail_after(30):
        while text not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await trio.sleep(0.01)


@asynccontextmanager
async def saying(what: bytes, heard: bytearray) -> AsyncIterator[BrokerSettings]:
    """A server that says this to everybody, keeps what they answer, and hangs up."""

    async def say(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(what)
            heard.extend(await stream.receive_some())
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, say, 0, host="127.0.0.1"))
        yield BrokerSettings(type="nats", url=f"nats://ana:hunter2@127.0.0.1:{listener.socket.getsockname()[1]}")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "what",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"INFO {garbage\r\n",
        b"INFO []\r\n",
        b'INFO {"connect_urls": 7}\r\n',
        b"INFO " + b"x" * 100_000,
    ],
)
async def test_what_speaks_another_protocol_counts_as_away(what: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with saying(what, bytearray()) as settings, NatsBroker.open(settings) as broker:
        await logged("cannot be reached", caplog)
        with pytest.raises(BrokerAway):
            await broker.request("a.b", b"", timedelta(seconds=0.01))


async def test_a_tls_address_shows_no_password_to_a_server_without_tls(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nexo_poller.broker.nats.connection.PATIENCE_SECS", 0.5
    )  # which the other end's hanging up takes
    heard = bytearray()
    async with (
        saying(b'INFO {"max_payload": 1048576}\r\nPONG\r\n', heard) as settings,
        NatsBroker.open(evolve(settings, url=settings.url.replace("nats:", "tls:"))),
    ):
        await logged("cannot be reached", caplog)
    assert b"hunter2" not in heard
    assert heard.startswith(b"\x16\x03")  # the handshake


async def test_a_tls_address_is_spoken_to_by_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    monkeypatch.setenv(ssl.get_default_verify_paths().openssl_cafile_env, str(tmp_path / "ca.pem"))
    files = f'cert_file: "{tmp_path}/own.pem", key_file: "{tmp_path}/own.pem"'
    async with nats_server(tmp_path, f"tls {{ {files} }}") as server:
        settings = evolve(server.settings, url=server.url.replace("nats:", "tls:"))
        async with NatsBroker.open(settings) as broker, broker.answering("a.b", shouts):
            assert await broker.request("a.b", b"safe", PATIENCE) == b"SAFE"


async def test_every_new_reason_why_the_server_cannot_be_reached_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = NatsServer(tmp_path, "authorization { user: ana, password: hunter2 }")
    async with NatsBroker.open(server.settings):
        await logged("cannot be reached", caplog)
        await server.start()
        await logged("'Authorization Violation'", caplog)
        await server.kill()


async def test_a_key_that_is_garbled_while_it_runs_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, seed = tmp_path / "user.nk", nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    file.write_bytes(seed)
    public_key = nkeys.from_seed(bytearray(seed)).public_key.decode()
    async with (
        nats_server(tmp_path, f'authorization {{ users: [{{ nkey: "{public_key}" }}] }}') as server,
        NatsBroker.open(evolve(server.settings, nkey_file=file)) as broker,
    ):
        with pytest.raises(Unrouted):
            await broker.request("a.b", b"", PATIENCE)
        file.write_bytes(b"SUAMSECRETSEEDTHATISNONE")
        await server.kill()
        await server.start()
        await logged("invalid seed", caplog)
        file.write_bytes(seed)
        with pytest.raises(Unrouted):
            await broker.request("a.b", b"", PATIENCE)
    assert "SECRET" not in caplog.text


async def test_what_may_not_be_published_waits_and_the_log_tells_without_the_account(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    may = 'publish: {deny: "plugin.outbound.>"}, subscribe: {deny: "secret.>"}'
    async with nats_server(
        tmp_path, f"authorization {{ users: [{{user: a, password: b, permissions: {{{may}}}}}] }}"
    ) as (server):
        caplog.clear()
        settings = evolve(server.settings, url=server.url.replace("//", "//a:b@"))
        warned = list[str]()
        async with NatsBroker.open(settings, warn=warned.append) as broker, broker.handle("secret.>", Inbox()):
            for _ in range(2):
                with pytest.raises(BrokerUnavailable, match="does not let this user publish there"):
                    await broker.publish(message(event()))
    assert caplog.text.count(f'publish to "plugin.outbound.telegram.{fingerprint("ana_bot")}"') == 1
    assert 'permissions violation for subscription to "secret.>"' in caplog.text
    assert "ana_bot" not in caplog.text


async def test_a_stream_that_is_gone_is_missed_though_somebody_listens_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexo_poller.broker.nats.publishing.PATIENCE_SECS", 0.2)
    async with nats_server(tmp_path) as server:
        await server.add_stream("plugin.outbound.>")
        async with NatsBroker.open(server.settings) as broker, server.client() as onlooker:
            await broker.publish(message(event()))
            await onlooker.api("STREAM.DELETE.events", {})
            await aio_as_trio(onlooker.client.subscribe)("plugin.>")
            await aio_as_trio(onlooker.client.flush)()
            with pytest.raises(BrokerUnavailable, match="no acknowledgement came"):
                await broker.publish(message(event()))
            await broker.publish(message(event()))


async def test_somebody_else_who_answers_for_jetstream_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        nats_server(tmp_path, "jetstream: disabled") as server,
        server.client() as other,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(other.answer, "$JS.API.>", b"thanks")
        async with NatsBroker.open(server.settings, topics=["a.b"]) as broker:
            await logged("somebody else answers what JetStream is asked", caplog)
            with pytest.raises(BrokerUnavailable, match="somebody else answers"):
                await broker.publish(message(event()))
        nursery.cancel_scope.cancel()


async def test_an_answer_too_large_for_the_server_is_told_at_once(tmp_path: Path) -> None:
    async def answers_much(_: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        return b"x" * 2_000_000

    async with (
        nats_server(tmp_path) as server,
        NatsBroker.open(server.settings) as broker,
        broker.answering("a.b", answers_much),
    ):
        with pytest.raises(BrokerUnavailable, match="an answer of 2,000,000 bytes is too large"):
            await broker.request("a.b", b"", PATIENCE)


async def test_a_flood_that_nobody_takes_is_dropped_and_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribed, "ROOM", 1)

    async def hangs(_: Event) -> None:
        await trio.sleep_forever()

    async with (
        nats_server(tmp_path) as server,
        NatsBroker.open(server.settings) as broker,
        broker.handle("a.>", hangs),
        server.client() as other,
    ):
        for _ in range(100):
            await aio_as_trio(other.client.publish)("a.b", message(event("a.b")).body)
        await aio_as_trio(other.client.flush)()
        await logged("so 64 were dropped", caplog)
    assert caplog.text.count("were dropped") == 7


async def test_two_handlers_of_one_name_get_each_event_though_the_one_before_them_left(tmp_path: Path) -> None:
    async with nats_server(tmp_path) as server:
        await server.add_stream("plugin.outbound.>")
        gone, stays, came, sent = Inbox(), Inbox(), Inbox(), [event(payload=n) for n in range(4)]
        async with NatsBroker.open(server.settings) as broker, trio.open_nursery() as nursery:
            left = trio.Event()

            async def leaves(*, task_status: trio.TaskStatus[None]) -> None:
                async with broker.handle("plugin.outbound.>", gone):
                    task_status.started()
                    await left.wait()

            await nursery.start(leaves)
            async with broker.handle("plugin.outbound.>", stays):
                left.set()
                await trio.testing.wait_all_tasks_blocked()
                async with broker.handle("plugin.outbound.>", came):
                    await deliver(broker, *sent)
                    assert await stays.take(4) == sent
                    assert await came.take(4) == sent
