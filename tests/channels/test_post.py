"""Posting events to a real server."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import trio
from http_server import Request, Response, Server, http_server, redirect

from nexo_poller.broker import Event
from nexo_poller.channels import post
from nexo_poller.channels.post import Post, open_client, url_problem
from nexo_poller.clock import SystemClock
from nexo_poller.errors import BrokerUnavailable, MessageRejected
from nexo_poller.event import event_json


def event(payload: Any = None) -> Event:
    return Event(
        id="11111111-2222-5333-8444-555555555555",
        timestamp=datetime(2026, 3, 1, tzinfo=UTC),
        topic="plugin.outbound.telegram",
        source="plugin.poller",
        session_id=None,
        payload={"text": "für €", "to": "42"} if payload is None else payload,
    )


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with http_server() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client() as client:
        yield client


def answer(server: Server, status: int, headers: dict[str, str] | None = None) -> None:
    server.routes["/"] = lambda _request: Response(status=status, headers=headers or {})


def to(url: str, client: httpx.AsyncClient) -> Post:
    return Post(url=url, client=client, clock=SystemClock())


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_acknowledges_the_event_as_it_was_sent(
    server: Server, client: httpx.AsyncClient, status: int
) -> None:
    answer(server, status)
    await to(server.url(), client)(event())
    [request] = server.requests
    assert request.method == "POST"
    assert request.body == event_json(event())
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == event().id
    assert request.headers["user-agent"].startswith("nexo-poller")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
async def test_a_client_error_refuses_the_message(server: Server, client: httpx.AsyncClient, status: int) -> None:
    answer(server, status)
    with pytest.raises(MessageRejected, match=f"127.0.0.1 answered {status}"):
        await to(server.url(), client)(event())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 300, 304])
async def test_what_is_about_the_moment_says_nothing_of_the_message(
    server: Server, client: httpx.AsyncClient, status: int
) -> None:
    answer(server, status)
    with pytest.raises(BrokerUnavailable, match=f"127.0.0.1 answered {status}") as caught:
        await to(server.url(), client)(event())
    assert caught.value.retry_after is None


@pytest.mark.parametrize("status", [429, 503])
async def test_the_pause_that_a_receiver_asks_for_is_passed_on(
    server: Server, client: httpx.AsyncClient, status: int
) -> None:
    answer(server, status, {"Retry-After": "120"})
    with pytest.raises(BrokerUnavailable) as caught:
        await to(server.url(), client)(event())
    assert caught.value.retry_after == timedelta(seconds=120)


async def test_a_redirect_is_not_followed(server: Server, client: httpx.AsyncClient) -> None:
    server.routes |= {"/": redirect("/elsewhere", status=307), "/elsewhere": lambda _request: Response()}
    with pytest.raises(BrokerUnavailable, match="307, a redirect"):
        await to(server.url(), client)(event())
    assert len(server.requests) == 1


async def test_nobody_there_says_nothing_of_the_message_and_shows_no_secret(client: httpx.AsyncClient) -> None:
    async with http_server() as gone:
        pass
    url = f"http://user:hunter2@127.0.0.1:{gone.port}/hook/s3cret?token=hush"
    with pytest.raises(BrokerUnavailable, match=r"127.0.0.1: ConnectError") as caught:
        await to(url, client)(event())
    assert not any(secret in str(caught.value) for secret in ("hunter2", "s3cret", "hush"))


async def test_a_connection_that_breaks_off_says_nothing_of_the_message(
    server: Server, client: httpx.AsyncClient
) -> None:
    async def hangs_up(request: Request) -> None:
        await request.stream.aclose()

    server.routes["/"] = hangs_up
    with pytest.raises(BrokerUnavailable, match="RemoteProtocolError"):
        await to(server.url(), client)(event())


async def test_a_receiver_that_never_answers_is_left(
    server: Server, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_request: Request) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(post, "WHOLE_SECONDS", 0.05)
    server.routes["/"] = never
    with pytest.raises(BrokerUnavailable, match="did not answer within"):
        await to(server.url(), client)(event())


async def test_what_comes_after_the_status_changes_nothing(
    server: Server, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stalls(request: Request) -> None:
        await request.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await trio.sleep_forever()

    async def breaks(request: Request) -> None:
        await request.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await request.stream.aclose()

    async def refuses_and_breaks(request: Request) -> None:
        await request.stream.send_all(b"HTTP/1.1 400 No\r\nContent-Length: 10\r\n\r\nabc")
        await request.stream.aclose()

    monkeypatch.setattr(post, "REST_SECONDS", 0.05)
    server.routes |= {
        "/stalls": stalls,
        "/breaks": breaks,
        "/refuses": refuses_and_breaks,
        "/": lambda _request: Response(),
    }
    for path in ("/stalls", "/breaks"):
        await to(server.url(path), client)(event())
    with pytest.raises(MessageRejected):
        await to(server.url("/refuses"), client)(event())
    await to(server.url("/"), client)(event())


async def test_an_answer_without_end_is_not_read(
    server: Server, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 10_000

    monkeypatch.setattr(post, "REST_SECONDS", 3600)
    server.routes["/"] = lambda _request: Response(body=endless())
    with trio.fail_after(10):
        await to(server.url(), client)(event())


async def test_user_and_password_of_the_url_are_sent_as_such(server: Server, client: httpx.AsyncClient) -> None:
    answer(server, 200)
    await to(server.url().replace("http://", "http://user:p%40ss@"), client)(event())
    assert base64.b64decode(server.requests[0].headers["authorization"].removeprefix("Basic ")) == b"user:p@ss"


async def test_one_connection_serves_many_events(server: Server, client: httpx.AsyncClient) -> None:
    server.routes["/"] = lambda _request: Response(body=b"thank you")
    for _ in range(5):
        await to(server.url(), client)(event())
    assert (len(server.requests), server.connections) == (5, 1)


async def test_the_recipient_is_filled_in(server: Server, client: httpx.AsyncClient) -> None:
    server.routes["/send/a%2Fb%3F%26%23%25%2B%C3%A9"] = lambda _request: Response()
    await to(server.url("/send/{to}?to={to}"), client)(event({"to": "a/b?&#%+é"}))
    assert server.requests[0].target == "/send/a%2Fb%3F%26%23%25%2B%C3%A9?to=a%2Fb%3F%26%23%25%2B%C3%A9"
    assert json.loads(server.requests[0].body)["payload"] == {"to": "a/b?&#%+é"}


async def test_a_recipient_too_long_for_any_url_is_refused(server: Server, client: httpx.AsyncClient) -> None:
    with pytest.raises(MessageRejected, match="the channel's URL is none any more"):
        await to(server.url("/{to}"), client)(event({"to": "x" * 70_000}))
    assert server.requests == []


async def test_proxies_of_the_environment_are_ignored(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    answer(server, 200)
    async with open_client() as client:
        await to(server.url(), client)(event())
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://", "has no host"),
        ("https:///path", "has no host"),
        ("http://host:port/", "cannot be used"),
        ("https://{to}.example.org/", "in its host"),
        ("https://example.org:{to}/", "cannot be used"),
    ],
)
def test_a_url_that_leads_nowhere_is_found_before_it_is_used(url: str, what: str) -> None:
    problem = url_problem(url)
    assert problem is not None
    assert what in problem.what


@pytest.mark.parametrize("url", ["http://localhost", "https://user:pass@example.org:8443/a/{to}?b={to}#c"])
def test_these_urls_will_do(url: str) -> None:
    assert url_problem(url) is None
