"""`ctx.http` over real sockets: the guard, TLS, cancelled requests, and servers that mean no good."""

import gc
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import trio
import trustme
from attrs import define
from http_server import Request, Response, Server, http_server, redirect

from nexo_poller.http.errors import AddressRefused, BodyTooLarge, RedirectRefused, RequestTooSlow
from nexo_poller.http.guard import Guard, public_only
from nexo_poller.http.network import PoolTransport
from nexo_poller.http.pools import HttpPools

AUTHORITY = trustme.CA()


def hello(_request: Request) -> Response:
    return Response(body=b"hello")


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@asynccontextmanager
async def https_server(name: str, **routes: Any) -> AsyncGenerator[Server, None]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(name).configure_cert(context)
    async with http_server({f"/{path}": handler for path, handler in routes.items()}, ssl_context=context) as server:
        yield server


@define(eq=False)
class Names(trio.abc.HostnameResolver):
    """Names whose addresses a test decides; each lookup of a name takes the next of its answers."""

    answers: dict[str, list[list[str]]]

    def __attrs_post_init__(self) -> None:
        trio.socket.set_custom_hostname_resolver(self)

    async def getaddrinfo(self, host: Any, port: Any, *_rest: Any) -> Any:
        addresses = self.answers[host.decode()].pop(0)
        return [(trio.socket.AF_INET, trio.socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    async def getnameinfo(self, *_: Any) -> Any:
        raise NotImplementedError


def only(*addresses: str) -> Guard:
    return lambda address: None if address in addresses else "not one of the chosen"


@asynccontextmanager
async def pools_guarded_by(guard: Guard) -> AsyncGenerator[HttpPools, None]:
    async with HttpPools.open(transport=PoolTransport.guarded_by(guard, trusting())) as pools:
        yield pools


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)
async def test_however_loopback_is_spelled_a_job_may_not_reach_it(host: str) -> None:
    async with http_server({"/": hello}) as server, HttpPools.open() as pools:
        with pytest.raises(AddressRefused) as caught:
            await pools.client().get(server.url("/", host=host))
        assert server.connections == 0
    assert str(caught.value).startswith("refused to connect to ")


async def test_a_refusal_says_what_and_where_and_what_to_do() -> None:
    Names(
        {
            "intranet.example": [["10.0.0.1"]],
            "intranet.example.": [["10.0.0.1"]],
            "cloud.example": [["169.254.169.254"]],
        }
    )
    async with HttpPools.open() as pools:
        with pytest.raises(AddressRefused) as caught:
            await pools.client().get("http://intranet.example/")
        assert str(caught.value) == (
            "refused to connect to intranet.example (10.0.0.1): it is a private network "
            "(set `allow_private_networks: true` in the job's config if that is what it is for)"
        )
        with pytest.raises(AddressRefused):
            await pools.client().get("http://intranet.example./")
        with pytest.raises(AddressRefused, match=r"metadata service \(no job may connect there\)$"):
            await pools.client(allow_private_networks=True).get("http://cloud.example/")


async def test_a_job_that_may_reach_private_networks_does() -> None:
    async with http_server({"/": hello}) as server, HttpPools.open() as pools:
        answer = await pools.client(allow_private_networks=True).get(server.url("/", host="localhost"))
        assert answer.text == "hello"


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://[fe80::1]/"]
)
async def test_a_redirect_to_the_metadata_service_is_refused_to_every_job(target: str) -> None:
    async with http_server({"/": redirect(target)}) as server, HttpPools.open() as pools:
        with pytest.raises(AddressRefused, match=r"metadata|link-local"):
            await pools.client(allow_private_networks=True).get(server.url())


async def test_a_redirect_from_a_public_address_to_a_private_one_is_refused() -> None:
    async with http_server() as server, pools_guarded_by(only("127.0.0.1")) as pools:
        server.routes["/"] = redirect(server.url("/", host="127.0.0.2"))
        with pytest.raises(AddressRefused, match=r"127\.0\.0\.2"):
            await pools.client().get(server.url())


async def test_a_name_that_resolves_to_loopback_is_refused() -> None:
    Names({"rebound.example": [["127.0.0.1"]]})
    async with http_server({"/": hello}) as server, HttpPools.open() as pools:
        with pytest.raises(AddressRefused, match=r"rebound\.example \(127\.0\.0\.1\): it is loopback"):
            await pools.client().get(server.url("/", host="rebound.example"))
        assert server.connections == 0


async def test_a_name_is_looked_up_once_and_the_address_checked_is_the_one_connected_to() -> None:
    names = Names({"rebinding.example": [["127.0.0.1"], ["127.0.0.2"]]})
    async with http_server({"/": hello}) as server, pools_guarded_by(only("127.0.0.1")) as pools:
        answer = await pools.client().get(server.url("/", host="rebinding.example"))
        assert answer.text == "hello"
    assert names.answers["rebinding.example"] == [["127.0.0.2"]]


async def test_of_several_addresses_only_the_allowed_are_tried_until_one_answers() -> None:
    Names({"several.example": [["10.0.0.1", "127.0.0.3", "127.0.0.1"]]})
    async with http_server({"/": hello}) as server, pools_guarded_by(only("127.0.0.1", "127.0.0.3")) as pools:
        answer = await pools.client().get(server.url("/", host="several.example"))
        assert answer.text == "hello"


async def test_a_connection_of_a_job_that_may_is_not_used_for_one_that_may_not() -> None:
    async with http_server({"/": hello}) as server, HttpPools.open() as pools:
        await pools.client(allow_private_networks=True).get(server.url())
        await pools.client(allow_private_networks=True).get(server.url())
        assert server.connections == 1  # it was kept, and is there to be used
        with pytest.raises(AddressRefused):
            await pools.client().get(server.url())
        assert len(server.requests) == 2


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example"])
async def test_what_is_no_name_at_all_is_an_ordinary_connect_error(host: str) -> None:
    async with HttpPools.open() as pools:
        with pytest.raises(httpx.ConnectError, match="cannot be looked up"):
            await pools.client().get(f"http://{host}/")


async def test_a_port_where_nobody_listens_is_an_ordinary_connect_error() -> None:
    async with http_server() as server:
        url = server.url()
    async with HttpPools.open() as pools:
        with pytest.raises(httpx.ConnectError):
            await pools.client(allow_private_networks=True).get(url)


async def test_certificates_are_checked_against_the_name_and_not_the_address() -> None:
    Names({name: [["127.0.0.1"]] * 2 for name in ("good.example", "other.example")})
    async with https_server("good.example", feed=hello) as server, HttpPools.open(ssl_context=trusting()) as pools:
        client = pools.client(allow_private_networks=True)
        assert (await client.get(server.url("/feed", host="good.example"))).text == "hello"
        with pytest.raises(httpx.ConnectError):
            await client.get(server.url("/feed", host="other.example"))


async def test_an_authority_that_nobody_trusts_is_an_error() -> None:
    async with https_server("127.0.0.1", feed=hello) as server, HttpPools.open() as pools:
        with pytest.raises(httpx.ConnectError):
            await pools.client(allow_private_networks=True).get(server.url("/feed"))
        assert not server.requests


async def test_no_redirect_leads_from_https_to_http() -> None:
    async with http_server({"/": hello}) as plain, HttpPools.open(ssl_context=trusting()) as pools:
        async with https_server("127.0.0.1", feed=redirect(plain.url())) as server:
            with pytest.raises(RedirectRefused, match="from https to http"):
                await pools.client(allow_private_networks=True).get(server.url("/feed"))
        assert plain.connections == 0


async def test_a_redirect_from_http_to_https_is_followed_without_the_jobs_headers() -> None:
    async with (
        https_server("127.0.0.1", feed=hello) as secure,
        http_server({"/": redirect(secure.url("/feed"))}) as plain,
        HttpPools.open(ssl_context=trusting()) as pools,
    ):
        client = pools.client(allow_private_networks=True)
        answer = await client.get(plain.url(), headers={"Authorization": "Bearer secret", "X-Token": "secret"})
        assert (answer.text, str(answer.url)) == ("hello", secure.url("/feed"))
        assert plain.requests[0].headers["x-token"] == "secret"
        assert "secret" not in str(secure.requests[0].headers)


def gigabyte_of_zeros() -> Iterator[bytes]:
    """About 1 MB of gzip: a first megabyte, then 1,023 times the same; it never ends, so that it needs no checksum."""
    packing = zlib.compressobj(wbits=31)
    yield packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    megabyte = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    for _ in range(1023):
        yield megabyte


async def test_a_gzip_bomb_of_a_gigabyte_goes_off_in_little_memory() -> None:
    def bomb(_request: Request) -> Response:
        return Response(headers={"Content-Encoding": "gzip"}, body=gigabyte_of_zeros())

    async with http_server({"/": bomb}) as server, HttpPools.open() as pools:
        client = pools.client(allow_private_networks=True)
        tracemalloc.start()
        try:
            with pytest.raises(BodyTooLarge):
                await client.get(server.url())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3 * 10 * 2**20
        gc.collect()  # frames of finished tasks hang in cycles for a while
        assert not pools._hosts._places
        server.routes["/after"] = hello
        assert (await client.get(server.url("/after"))).text == "hello"


async def test_a_server_that_sends_byte_by_byte_is_cut_when_the_whole_takes_too_long() -> None:
    server_saw_us_go = trio.Event()

    async def dripping(request: Request) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        try:
            await request.stream.send_all(head)
            while True:
                await request.stream.send_all(b"x")
                await trio.sleep(0.02)
        finally:
            server_saw_us_go.set()

    async with (
        http_server({"/": dripping}) as server,
        HttpPools.open(request_timeout=timedelta(seconds=0.2)) as pools,
    ):
        with pytest.raises(RequestTooSlow, match=r"within 0\.2 s"):
            await pools.client(allow_private_networks=True).get(server.url())
        gc.collect()  # frames of finished tasks hang in cycles for a while
        assert not pools._hosts._places
        with trio.fail_after(30):
            await server_saw_us_go.wait()


async def test_a_server_that_never_answers_is_cut_too() -> None:
    async def silent(_request: Request) -> None:
        await trio.sleep_forever()

    async with (
        http_server({"/": silent}) as server,
        HttpPools.open(request_timeout=timedelta(seconds=0.1)) as pools,
    ):
        with pytest.raises(RequestTooSlow):
            await pools.client(allow_private_networks=True).get(server.url())


async def test_never_more_than_four_requests_are_with_one_server() -> None:
    at_once = most = 0
    four_are_here = trio.Event()

    async def count(_request: Request) -> Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 4:
            four_are_here.set()
        await four_are_here.wait()
        at_once -= 1
        return Response()

    async with http_server({"/": count}) as server, HttpPools.open() as pools:
        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(pools.client(allow_private_networks=True).get, server.url())
        assert (most, len(server.requests)) == (4, 12)


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], ids=["head", "body"])
async def test_a_cancelled_request_leaves_no_place_taken_and_no_connection_open(beginning: bytes) -> None:
    arrived, gone = trio.Event(), trio.Event()

    async def wait_for_the_end(request: Request) -> None:
        await request.stream.send_all(beginning)
        arrived.set()
        await request.stream.receive_some(1)
        gone.set()

    async with http_server({"/": wait_for_the_end, "/next": hello}) as server, HttpPools.open() as pools:
        for _ in range(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pools.client(allow_private_networks=True).get, server.url())
                await arrived.wait()
                nursery.cancel_scope.cancel()
            with trio.fail_after(30):
                await gone.wait()
            arrived, gone = trio.Event(), trio.Event()
        assert (await pools.client(allow_private_networks=True).get(server.url("/next"))).text == "hello"


async def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_server() as proxy, http_server({"/": hello}) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        async with HttpPools.open() as pools:
            assert (await pools.client(allow_private_networks=True).get(server.url())).text == "hello"
        assert proxy.connections == 0


def test_the_guard_in_front_of_public_jobs_is_the_strict_one() -> None:
    assert public_only("127.0.0.1") is not None
