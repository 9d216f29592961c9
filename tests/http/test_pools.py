"""`ctx.http` in virtual time, over a transport in memory: every rule but the guard's."""

import gc
import gzip
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from nexo_poller.errors import HostHeld
from nexo_poller.http.errors import BodyTooLarge, RedirectRefused, RequestTooSlow
from nexo_poller.http.pools import HttpPools

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
URL = "http://example.org/feed"


class Virtual:
    virtual = True

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=trio.current_time())


class Stream(httpx.AsyncByteStream):
    """A body that takes `seconds` for each of its chunks."""

    def __init__(self, *chunks: bytes, seconds: float = 0) -> None:
        self.chunks = chunks
        self.seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            await trio.sleep(self.seconds)
            yield chunk


def answering(handler: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(handler)


async def test_a_server_of_one_byte_a_second_is_cut_at_thirty(autojump_clock: MockClock) -> None:
    transport = answering(lambda _request: httpx.Response(200, stream=Stream(*[b"x"] * 60, seconds=1)))
    async with HttpPools.open(clock=Virtual(), transport=transport) as pools:
        with pytest.raises(RequestTooSlow, match="within 30 s") as caught:
            await pools.client().get(URL)
        assert trio.current_time() == 30
        assert isinstance(caught.value, httpx.TimeoutException)
        async with pools.client().stream("GET", URL) as response:
            with pytest.raises(RequestTooSlow):
                await response.aread()
        assert trio.current_time() == 60


async def test_redirects_share_one_deadline(autojump_clock: MockClock) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(8)
        return httpx.Response(302, headers={"Location": f"/{request.url.path.count('/')}"})

    async with HttpPools.open(clock=Virtual(), transport=httpx.MockTransport(slow)) as pools:
        with pytest.raises(RequestTooSlow):
            await pools.client().get(URL)
        assert trio.current_time() == 30


async def test_the_same_request_sent_again_gets_its_full_time(autojump_clock: MockClock) -> None:
    transport = answering(lambda _request: httpx.Response(200, stream=Stream(b"x", seconds=20)))
    async with HttpPools.open(clock=Virtual(), transport=transport) as pools:
        client = pools.client()
        request = client.build_request("GET", URL)
        for _ in range(3):
            assert (await client.send(request)).text == "x"


async def test_waiting_for_a_place_is_not_the_servers_fault(autojump_clock: MockClock) -> None:
    transport = answering(lambda _request: httpx.Response(200, stream=Stream(b"x", seconds=20)))
    async with HttpPools.open(clock=Virtual(), transport=transport) as pools, trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(pools.client().get, URL)
    assert trio.current_time() == 60


async def test_a_place_is_held_until_the_body_is_read_or_closed() -> None:
    calls: list[str] = []

    def count(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        return httpx.Response(200, stream=Stream(b"x"))

    async with HttpPools.open(transport=answering(count)) as pools:
        client = pools.client()
        answers = [await client.send(client.build_request("GET", URL), stream=True) for _ in range(4)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pools.client().get, "http://example.org/fifth")
            nursery.start_soon(pools.client().get, "http://example.org/sixth")
            await wait_all_tasks_blocked()
            assert "/fifth" not in calls
            await pools.client().get("http://example.net/elsewhere")
            await answers[0].aread()
            await wait_all_tasks_blocked()
            assert {"/fifth", "/sixth"} <= set(calls)
        for answer in answers:
            await answer.aclose()
        gc.collect()  # frames of finished tasks hang in cycles for a while
        assert not pools._hosts._places


@pytest.mark.parametrize("failure", [httpx.ConnectError("no"), RuntimeError("broken")])
async def test_a_request_that_fails_gives_its_place_back(failure: Exception) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise failure

    async with HttpPools.open(transport=answering(fail)) as pools:
        for _ in range(5):
            with pytest.raises(type(failure)), trio.fail_after(5):
                await pools.client().get(URL)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_for_peace_has_it_from_all_other_jobs(autojump_clock: MockClock, status: int) -> None:
    busy = True
    calls = 0

    def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(status, headers={"Retry-After": "60"}) if busy else httpx.Response(200)

    async with HttpPools.open(clock=Virtual(), transport=answering(answer)) as pools:
        told = pools.client()
        assert (await told.get(URL)).status_code == status
        for allow_private_networks in (False, True):
            with pytest.raises(HostHeld, match=r"^example\.org asked .* 60 s"):
                await pools.client(allow_private_networks=allow_private_networks).get(URL)
        assert (await told.get(URL)).status_code == status
        assert calls == 2
        await pools.client().get("http://example.org:8080/")
        busy = False
        await trio.sleep(60)
        assert (await pools.client().get(URL)).status_code == 200


async def test_a_date_in_retry_after_is_compared_with_the_clock_it_was_given(autojump_clock: MockClock) -> None:
    until = format_datetime(EPOCH + timedelta(seconds=90), usegmt=True)
    transport = answering(lambda _request: httpx.Response(503, headers={"Retry-After": until}))
    async with HttpPools.open(clock=Virtual(), transport=transport) as pools:
        await pools.client().get(URL)
        with pytest.raises(HostHeld) as caught:
            await pools.client().get(URL)
    assert caught.value.wait == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {}), (500, {"Retry-After": "60"}), (503, {"Retry-After": "soon"})]
)
async def test_no_other_answer_holds_a_host(status: int, headers: dict[str, str]) -> None:
    async with HttpPools.open(transport=answering(lambda _request: httpx.Response(status, headers=headers))) as pools:
        for _ in range(2):
            assert (await pools.client().get(URL)).status_code == status


async def test_bodies_are_unpacked_below_the_client_and_limited() -> None:
    packed = gzip.compress(bytes(100_000))
    transport = answering(
        lambda _request: httpx.Response(
            200, headers={"Content-Encoding": "gzip"}, stream=Stream(packed[:50], packed[50:])
        )
    )
    async with HttpPools.open(transport=transport) as pools:
        response = await pools.client(max_body_bytes=100_000).get(URL)
        assert response.content == bytes(100_000)
        assert "content-encoding" not in response.headers
        with pytest.raises(BodyTooLarge, match=r"99,999 bytes.*max_body_bytes"):
            await pools.client(max_body_bytes=99_999).get(URL)
        async with pools.client(max_body_bytes=99_999).stream("GET", URL) as response:
            with pytest.raises(BodyTooLarge):
                await response.aread()


async def test_a_gzip_body_that_lost_its_end_is_an_error() -> None:
    half = gzip.compress(b"a long story")[:-9]
    transport = answering(
        lambda _request: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Stream(half))
    )
    async with HttpPools.open(transport=transport) as pools:
        with pytest.raises(httpx.DecodingError, match="ends in the middle"):
            await pools.client().get(URL)


async def test_an_unpacked_body_is_limited_too() -> None:
    transport = answering(lambda _request: httpx.Response(200, stream=Stream(b"x" * 100)))
    async with HttpPools.open(transport=transport) as pools:
        assert len((await pools.client(max_body_bytes=100).get(URL)).content) == 100
        with pytest.raises(BodyTooLarge):
            await pools.client(max_body_bytes=99).get(URL)


async def test_packing_that_was_not_accepted_is_an_error_unless_there_is_no_body() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        body = b"..." if request.url.path == "/feed" else b""
        return httpx.Response(200, headers={"Content-Encoding": "br"}, stream=Stream(body))

    async with HttpPools.open(transport=answering(answer)) as pools:
        with pytest.raises(httpx.DecodingError, match="'br'"):
            await pools.client().get(URL)
        assert (await pools.client().get("http://example.org/empty")).content == b""


async def test_five_redirects_are_followed_and_a_sixth_is_not() -> None:
    def count_down(request: httpx.Request) -> httpx.Response:
        left = int(request.url.path[1:])
        return httpx.Response(302, headers={"Location": f"/{left - 1}"}) if left else httpx.Response(200, text="there")

    async with HttpPools.open(transport=answering(count_down)) as pools:
        response = await pools.client().get("http://example.org/5")
        assert (response.text, response.url.path) == ("there", "/0")
        assert [step.url.path for step in response.history] == ["/5", "/4", "/3", "/2", "/1"]
        with pytest.raises(httpx.TooManyRedirects):
            await pools.client().get("http://example.org/6")
        unfollowed = await pools.client().get("http://example.org/1", follow_redirects=False)
        assert (unfollowed.status_code, unfollowed.history) == (302, [])


async def test_another_origin_gets_nothing_that_is_the_jobs_own() -> None:
    seen: dict[str, httpx.Headers] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[f"{request.url.host}{request.url.path}"] = request.headers
        steps = {"/a": "/b", "/b": "http://other.example/c", "/c": "http://example.org/d"}
        if request.url.path in steps:
            return httpx.Response(307, headers={"Location": steps[request.url.path], "Set-Cookie": "server=1; Path=/"})
        return httpx.Response(200, headers={"Set-Cookie": "server=1; Path=/"})

    async with HttpPools.open(transport=answering(answer)) as pools:
        client = pools.client()
        client.headers["X-Of-The-Client"] = "secret"
        client.cookies.set("own", "secret")
        headers = {"X-Token": "secret", "User-Agent": "secret", "Accept": "text/xml", "If-None-Match": '"1"'}
        await client.post("http://me:secret@example.org/a", headers=headers, json={"query": 1})
        await client.get("http://example.org/d", headers={"X-Again": "1"})
        await client.get("http://example.org/a", auth=("me", "secret"))
        await pools.client().get("http://example.org/e")

    for path in ("example.org/a", "example.org/b"):
        assert "authorization" in seen[path]
    for path in ("other.example/c", "example.org/d"):
        assert "secret" not in str(seen[path].raw)
        assert "authorization" not in seen[path]
        assert seen[path]["user-agent"].startswith("nexo-poller")
    assert "cookie" not in seen["example.org/e"]


async def test_what_describes_document_and_body_goes_along_to_another_origin() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return (
            httpx.Response(308, headers={"Location": "https://example.org/"}) if len(seen) == 1 else httpx.Response(200)
        )

    async with HttpPools.open(transport=answering(answer)) as pools:
        await pools.client().post(URL, headers={"Accept": "text/xml", "If-None-Match": '"1"'}, json={"query": 1})
    first, second = seen
    assert (second.method, second.content) == ("POST", first.content)
    for name in ("Accept", "If-None-Match", "Content-Type", "Content-Length"):
        assert second.headers[name] == first.headers[name]


@pytest.mark.parametrize(
    "location", ["http://example.org/", "http://other.example/", "file:///etc/passwd", "gopher://x/"]
)
async def test_no_redirect_leads_from_https_to_anything_else(location: str) -> None:
    calls = 0

    def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(301, headers={"Location": location})

    async with HttpPools.open(transport=answering(answer)) as pools:
        with pytest.raises(RedirectRefused, match="from https to"):
            await pools.client().get("https://example.org/")
    assert calls == 1


async def test_every_request_says_who_asks_and_what_it_can_unpack() -> None:
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, headers={"Set-Cookie": "server=1"})

    async with HttpPools.open(transport=answering(answer)) as pools:
        client = pools.client()
        await client.get(URL)
        await client.get(URL)
        await client.aclose()
        await pools.client().get(URL)  # closing one view closes nothing that others use
    for headers in seen:
        assert headers["user-agent"].startswith("nexo-poller")
        assert headers["accept-encoding"] == "gzip, identity"
        assert "cookie" not in headers


async def test_an_auth_flow_with_requests_of_its_own_is_held_to_the_same_rules(autojump_clock: MockClock) -> None:
    class Login(httpx.Auth):
        def auth_flow(self, request):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - httpx has no name for it
            yield httpx.Request("POST", "http://login.example/")
            yield request

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.sleep(60 if request.url.host == "login.example" else 0)
        return httpx.Response(200)

    async with HttpPools.open(clock=Virtual(), transport=httpx.MockTransport(answer)) as pools:
        with pytest.raises(RequestTooSlow):
            await pools.client().get(URL, auth=Login())
