"""Apprise, with its `json://` service and a real server behind it."""

import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from http_server import Request, Response, Server, http_server

from nexo_poller.broker import Event
from nexo_poller.channels import notify
from nexo_poller.channels.hops import in_threads
from nexo_poller.channels.notify import Notify, text_of, url_problem
from nexo_poller.errors import BrokerUnavailable, MessageRejected


@pytest.fixture(autouse=True)
def _checked() -> None:
    """Channels are checked before they are used, which loads Apprise."""
    assert url_problem("json://127.0.0.1") is None


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with http_server({"/": lambda _request: Response()}) as server:
        yield server


def event(payload: Any) -> Event:
    return Event(
        id="11111111-2222-5333-8444-555555555555",
        timestamp=datetime(2026, 3, 1, tzinfo=UTC),
        topic="plugin.outbound.telegram",
        source="plugin.poller",
        session_id=None,
        payload=payload,
    )


def to(server: Server, path: str = "/") -> Notify:
    return Notify(f"json://127.0.0.1:{server.port}{path}", in_threads(1))


async def test_the_text_arrives_as_it_is(server: Server) -> None:
    text = "two <b>lines</b> & *stars*\n{link} für €"
    await to(server)(event({"text": text, "to": "42"}))
    assert json.loads(server.requests[0].body)["message"] == text


async def test_for_a_service_that_wants_html_the_text_is_still_text(server: Server) -> None:
    await to(server, "/?format=html")(event({"text": "a <b> c"}))
    assert json.loads(server.requests[0].body)["message"].count("&lt;b&gt;") == 1


async def test_the_recipient_is_filled_in(server: Server) -> None:
    server.routes["/send/a%20b"] = lambda _request: Response()
    await to(server, "/send/{to}")(event({"text": "hi", "to": "a b"}))
    assert [request.target for request in server.requests] == ["/send/a%20b"]


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_no_of_apprise_says_nothing_of_the_message(server: Server, status: int) -> None:
    server.routes["/"] = lambda _request: Response(status=status)
    with pytest.raises(BrokerUnavailable, match="json://: Apprise could not send it"):
        await to(server)(event({"text": "hi"}))


async def test_a_message_without_text_is_refused(server: Server) -> None:
    with pytest.raises(MessageRejected, match="text is empty"):
        await to(server)(event({"text": " \n"}))
    assert server.requests == []


async def test_a_recipient_that_the_service_cannot_take_is_refused() -> None:
    sms = Notify("tgram://{to}", in_threads(1))
    with pytest.raises(MessageRejected, match="tgram://: Apprise cannot send"):
        await sms(event({"text": "hi", "to": "nonsense"}))


async def test_a_service_that_hangs_is_left_and_cannot_hold_up_a_stop(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = trio.Event()

    async def hangs(_request: Request) -> Response:
        await let_go.wait()
        return Response()

    monkeypatch.setattr(notify, "SECONDS", 0.05)
    server.routes["/"] = hangs
    with pytest.raises(BrokerUnavailable, match="json://: Apprise was not done"):
        await to(server)(event({"text": "hi"}))
    let_go.set()


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"text": "hi", "to": "1"}, "hi"),
        ("hi", "hi"),
        ({"text": 7, "to": "ü"}, '{"text": 7, "to": "ü"}'),
        ({"a": 1}, '{"a": 1}'),
        ([1], "[1]"),
        (None, "null"),
    ],
)
def test_what_has_no_text_is_shown_as_json(payload: Any, text: str) -> None:
    assert text_of(payload) == text


def test_wrong_urls_are_found_before_they_are_used_and_not_shown() -> None:
    for url, what in [
        ("tgramm://s3cret/1", "tgramm:// is none of Apprise's schemes"),
        ("tgram://s3cret", "tgram:// URL is not complete"),
        ("nope://{to}", "nope:// is none of Apprise's schemes"),
    ]:
        problem = url_problem(url)
        assert problem is not None
        assert what in problem.what
        assert problem.remedy
        assert "s3cret" not in str(problem)
    assert url_problem("json://127.0.0.1:80/") is None
    assert url_problem("JSON://127.0.0.1:80/{to}") is None


def test_without_apprise_the_remedy_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    problem = url_problem("tgram://123/{to}")
    assert problem is not None
    assert problem.remedy == 'pip install "nexo-poller[channels]"'
