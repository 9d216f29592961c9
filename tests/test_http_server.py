"""The test server itself: others lean on it."""

from collections.abc import AsyncGenerator

import httpx
import pytest
import trio
from http_server import Request, Response, http_server, redirect


async def echo(request: Request) -> Response:
    return Response(headers={"X-Method": request.method}, body=request.body)


async def in_pieces() -> AsyncGenerator[bytes, None]:
    yield b"one "
    yield b"two"


async def by_hand(request: Request) -> None:
    await request.stream.send_all(b"HTTP/1.0 200 OK\r\n\r\nraw")


async def test_routes_answer_and_requests_are_recorded() -> None:
    async with http_server({"/echo": echo, "/raw": by_hand, "/away": redirect("/echo")}) as server:
        server.routes["/pieces"] = lambda _request: Response(body=in_pieces())
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(server.url("/echo?q=1"), content=b"hello")
            assert (answer.headers["x-method"], answer.text) == ("POST", "hello")
            assert (await client.get(server.url("/pieces"))).text == "one two"
            assert (await client.get(server.url("/missing"))).status_code == 404
            assert (await client.get(server.url("/away"), follow_redirects=True)).status_code == 200
            assert server.connections == 1
            assert (await client.get(server.url("/raw"))).text == "raw"
    assert [request.target for request in server.requests] == [
        "/echo?q=1",
        "/pieces",
        "/missing",
        "/away",
        "/echo",
        "/raw",
    ]


async def test_a_handler_that_raises_fails_the_test_even_one_that_ends_at_that_moment() -> None:
    def fail(_: Request) -> Response:
        asked.set()
        raise LookupError

    for _ in range(20):
        asked = trio.Event()
        with pytest.RaisesGroup(LookupError, allow_unwrapped=True, flatten_subgroups=True):
            async with http_server({"/": fail}) as server:
                stream = await trio.open_tcp_stream("127.0.0.1", server.port)
                async with stream:
                    await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    await asked.wait()
