"""`channels:` as a whole, on a broker."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
import trio
from http_server import Response, http_server

from nexo_poller.broker import Event, Message
from nexo_poller.broker.local import LocalBroker
from nexo_poller.channels import check_channels, open_channels
from nexo_poller.clock import SystemClock
from nexo_poller.errors import BrokerUnavailable, ConfigError, MessageRejected, Unrouted
from nexo_poller.event import event_json
from nexo_poller.testing.clock import VirtualClock


def message(account: str) -> Message:
    event = Event(
        id=str(uuid4()),
        timestamp=datetime(2026, 3, 1, tzinfo=UTC),
        topic=f"plugin.outbound.{account}",
        source="plugin.poller",
        session_id=None,
        payload={"text": account, "to": "42"},
    )
    return Message(id=event.id, topic=event.topic, body=event_json(event))


async def test_every_message_goes_to_its_most_specific_entry_and_nowhere_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    broker = LocalBroker()
    async with http_server() as server:
        server.routes |= {path: lambda _request: Response() for path in ("/ana", "/telegram", "/note")}
        channels = {
            "telegram.ana": server.url("/ana"),
            "telegram": server.url("/telegram"),
            "mail": f"json://127.0.0.1:{server.port}/note",
            "*": "stdout",
        }
        async with open_channels(broker, channels, SystemClock()):
            for account in ("telegram.ana", "telegram.bob", "telegram", "mail.ana", "sms.ana"):
                await broker.publish(message(account))
    assert [request.path for request in server.requests] == ["/ana", "/telegram", "/telegram", "/note"]
    [line] = capfd.readouterr().out.splitlines()
    assert json.loads(line)["topic"] == "plugin.outbound.sms.ana"


async def test_what_has_no_entry_stays_unrouted() -> None:
    broker = LocalBroker()
    async with open_channels(broker, {"telegram.ana": "stdout"}, SystemClock()):
        for account in ("telegram.bob", "telegram", "mail.ana"):
            with pytest.raises(Unrouted):
                await broker.publish(message(account))
    async with open_channels(broker, {}, SystemClock()):
        with pytest.raises(Unrouted):
            await broker.publish(message("telegram.ana"))


async def test_other_subscribers_get_what_goes_to_a_channel_too(capfd: pytest.CaptureFixture[str]) -> None:
    broker, seen = LocalBroker(), list[str]()

    async def also(event: Event) -> None:
        seen.append(event.topic)

    async with open_channels(broker, {"telegram": "stdout"}, SystemClock()), broker.handle("plugin.>", also):
        await broker.publish(message("telegram.ana"))
        await broker.publish(message("mail.ana"))
    assert seen == ["plugin.outbound.telegram.ana", "plugin.outbound.mail.ana"]
    assert len(capfd.readouterr().out.splitlines()) == 1


async def test_channels_can_be_exchanged_while_a_message_is_on_its_way() -> None:
    broker, outcome = LocalBroker(), list[BaseException]()

    async def publish() -> None:
        try:
            await broker.publish(message("telegram"))
        except (BrokerUnavailable, MessageRejected) as error:
            outcome.append(error)

    async def hangs(_request: object) -> None:
        arrived.set()
        await trio.sleep_forever()

    arrived = trio.Event()
    async with http_server({"/hangs": hangs, "/": lambda _request: Response()}) as server:
        hanging = {"telegram": server.url("/hangs")}
        async with trio.open_nursery() as nursery, open_channels(broker, hanging, SystemClock()):
            nursery.start_soon(publish)
            await arrived.wait()
        async with open_channels(broker, {"telegram": server.url("/")}, SystemClock()):
            await broker.publish(message("telegram"))
    assert [type(error) for error in outcome] == [BrokerUnavailable]


async def test_in_virtual_time_nothing_waits_for_threads_or_sockets(
    autojump_clock: trio.testing.MockClock, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[httpx.URL] = []

    async def receive(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        await trio.sleep(20)
        return httpx.Response(204)

    broker = LocalBroker()
    channels = {"telegram": "https://bots.example.org/{to}", "*": "stdout"}
    async with open_channels(broker, channels, VirtualClock(), transport=httpx.MockTransport(receive)):
        with trio.fail_after(21):
            await broker.publish(message("telegram.ana"))
            await broker.publish(message("mail.ana"))
    assert [str(url) for url in asked] == ["https://bots.example.org/42"]
    assert len(capfd.readouterr().out.splitlines()) == 1


async def test_all_that_is_wrong_is_said_at_once_with_its_place() -> None:
    channels = {
        "tele gram": "stdout",
        "mail": "stdot",
        "sms": "nope://s3cret",
        "chat": "https://{to}/",
        "fine": "https://example.org/s3cret",
    }
    problems = check_channels(channels)
    assert [problem.key for problem in problems] == [
        ("channels", "tele gram"),
        ("channels", "mail"),
        ("channels", "sms"),
        ("channels", "chat"),
    ]
    assert "did you mean" not in str(problems[1])
    assert "channel 'mail': leads nowhere (use `stdout`" in str(problems[1])
    broker = LocalBroker()
    with pytest.raises(ConfigError) as caught:
        async with open_channels(broker, channels, SystemClock()):
            pass
    assert caught.value.problems == tuple(problems)
    assert "s3cret" not in str(caught.value)


def test_apprise_is_loaded_only_when_a_channel_needs_it() -> None:
    code = (
        "import sys, nexo_poller.channels as c; c.check_channels({'a': 'stdout'}); sys.exit('apprise' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
