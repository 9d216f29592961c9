"""What servers say in a test; the same without a network and over a real one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
import trio
from trio.testing import MockClock

from nexo_poller.testing import (
    NoRoute,
    Routes,
    answer,
    broken,
    cut_off,
    etagged,
    http_server,
    in_turn,
    late,
    rate_limited,
)

Check = Callable[[Routes, httpx.AsyncClient], Awaitable[None]]


@asynccontextmanager
async def without_a_network(routes: Routes) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(routes), base_url="http://shop.example") as client:
        yield client


@asynccontextmanager
async def over_a_real_one(routes: Routes) -> AsyncIterator[httpx.AsyncClient]:
    async with http_server(routes) as server, httpx.AsyncClient(base_url=server.url(), trust_env=False) as client:
        yield client


async def one_after_the_other_and_then_the_last(routes: Routes, client: httpx.AsyncClient) -> None:
    routes["/orders"] = in_turn(answer(503), answer(json=[1]))
    answers = [await client.get("/orders?page=1", headers={"x-who": "ana"}) for _ in range(3)]
    assert [found.status_code for found in answers] == [503, 200, 200]
    assert answers[1].json() == [1]
    assert [request.url.query for request in routes.requests] == [b"page=1"] * 3
    assert routes.requests[0].headers["x-who"] == "ana"


async def a_method_is_closer_than_none(routes: Routes, client: httpx.AsyncClient) -> None:
    routes["/orders"] = answer(text="list")
    routes["POST /orders"] = lambda request: httpx.Response(201, content=request.content)
    assert (await client.get("/orders")).text == "list"
    assert (await client.post("/orders", content=b"one")).text == "one"


async def a_body_that_one_has_is_not_sent_again(routes: Routes, client: httpx.AsyncClient) -> None:
    routes["/orders"] = etagged(in_turn(answer(json=[1]), answer(json=[1]), answer(json=[2])))
    first = await client.get("/orders")
    known = {"If-None-Match": first.headers["etag"]}
    assert [(await client.get("/orders", headers=known)).status_code for _ in range(2)] == [304, 200]


async def too_many_requests_say_when_to_come_back(routes: Routes, client: httpx.AsyncClient) -> None:
    routes["/orders"] = rate_limited(timedelta(minutes=2))
    found = await client.get("/orders")
    assert (found.status_code, found.headers["retry-after"]) == (429, "120")


async def a_connection_breaks(routes: Routes, client: httpx.AsyncClient) -> None:
    routes["/orders"] = in_turn(broken(), answer())
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/orders")
    assert (await client.get("/orders")).status_code == 200
    routes.check()


async def a_body_ends_too_early(routes: Routes, client: httpx.AsyncClient) -> None:
    routes["/orders"] = cut_off(b"[1,")
    async with client.stream("GET", "/orders") as found:
        assert found.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await found.aread()


async def what_nobody_speaks_of_fails_the_test(routes: Routes, client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/nothing")
    with pytest.raises(NoRoute, match=r"GET http://.*/nothing has no route; the routes are: none"):
        routes.check()
    routes.otherwise = answer(404)
    assert (await client.get("/nothing")).status_code == 404
    routes.check()


CHECKS: list[Check] = [
    one_after_the_other_and_then_the_last,
    a_method_is_closer_than_none,
    a_body_that_one_has_is_not_sent_again,
    too_many_requests_say_when_to_come_back,
    a_connection_breaks,
    a_body_ends_too_early,
    what_nobody_speaks_of_fails_the_test,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("connected", [without_a_network, over_a_real_one], ids=["virtual", "real"])
async def test_a_server(connected: Callable[[Routes], AsyncIterator[httpx.AsyncClient]], check: Check) -> None:
    routes = Routes()
    async with connected(routes) as client:  # type: ignore[attr-defined] # what asynccontextmanager makes of it
        await check(routes, client)


async def test_a_real_server_answers_a_head_without_the_body() -> None:
    routes = Routes()
    routes["/orders"] = answer(text="list")
    async with over_a_real_one(routes) as client:
        found = await client.head("/orders")
        assert (found.headers["content-length"], found.content) == ("4", b"")
        assert (await client.get("/orders")).text == "list"


async def test_a_whole_address_is_closer_than_a_path() -> None:
    routes = Routes()
    routes["/orders"] = answer(text="any")
    routes["https://shop.example/orders"] = answer(text="shop")
    async with without_a_network(routes) as client:
        assert (await client.get("https://shop.example/orders?page=1")).text == "shop"
        assert (await client.get("http://shop.example/orders")).text == "any"


async def test_a_late_answer_is_late_in_virtual_time(autojump_clock: MockClock) -> None:
    routes = Routes()
    routes["/orders"] = late(timedelta(hours=1), answer(text="here"))
    async with without_a_network(routes) as client:
        assert (await client.get("/orders", timeout=None)).text == "here"
    assert trio.current_time() == 3600


@pytest.mark.parametrize("address", ["orders", "/orders?page=1", "get /orders", "ftp://shop.example/orders"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is no address of a route: write 'https://host/path'"):
        Routes()[address] = answer()


async def test_a_real_server_refuses_to_run_in_virtual_time(autojump_clock: MockClock) -> None:
    with pytest.raises(RuntimeError, match="leave autojump_clock out of this test, or say with"):
        async with http_server():
            pass


async def test_a_handler_that_fails_fails_the_test_with_a_real_server() -> None:
    def confused(_request: httpx.Request) -> httpx.Response:
        raise KeyError("page")

    async def use() -> None:
        routes = Routes()
        routes["/orders"] = confused
        async with over_a_real_one(routes) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/orders")

    with pytest.raises(KeyError, match="page"):
        await use()


@pytest.mark.parametrize("asked", ["https://shop.example", "https://shop.example/", "https://shop.example?page=2"])
@pytest.mark.parametrize("address", ["https://shop.example", "https://shop.example/", "GET https://Shop.example:443"])
async def test_an_address_is_the_same_however_it_is_written(address: str, asked: str) -> None:
    routes = Routes()
    routes[address] = answer(text="front page")
    async with without_a_network(routes) as client:
        assert (await client.get(asked)).text == "front page"


def test_nothing_in_turn_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="first"):
        in_turn()  # type: ignore[call-arg]
