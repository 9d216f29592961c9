"""The server's patience with clients that are slow, silent, greedy or gone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
from admin_daemon import ANY_PORT, admin_daemon
from daemon import Script, counting, job
from quart import Response
from quart_trio import QuartTrio

from nexo_poller import PollContext, TickAck
from nexo_poller.admin import connection, incoming, limits, server
from nexo_poller.admin.failures import Failure
from nexo_poller.admin.limits import Limits
from nexo_poller.admin.listening import listening
from nexo_poller.admin.route import Cost
from nexo_poller.config.binds import Bind, UnixBind
from nexo_poller.config.model import AdminSettings

KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
JSON = b"Host: localhost\r\nContent-Type: application/json\r\n"


async def received(stream: trio.SocketStream) -> bytes:
    """All that the server sends until it closes the connection."""
    return b"".join([bytes(some) async for some in stream])


async def connected(name: Any) -> trio.SocketStream:
    """A connection to the socket of this name."""
    if isinstance(name, str):
        return await trio.open_unix_socket(name)
    return await trio.open_tcp_stream(*name)


def status_of(answer: bytes) -> int:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.receive_data(answer)
    event = client.next_event()
    assert isinstance(event, h11.Response)
    return event.status_code


@asynccontextmanager
async def endless(bind: Bind) -> AsyncIterator[tuple[trio.SocketStream, trio.Event]]:
    """A client of a server that sends without end; the server ends after the block, before the client does."""
    app, begun = QuartTrio("endless"), trio.Event()

    @app.get("/")
    async def send() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                begun.set()
                await trio.lowlevel.checkpoint()
                yield bytes(65_536)

        response = Response(pieces())
        response.timeout = None
        return response

    async with AsyncExitStack() as to_the_last, listening(bind) as listeners, trio.open_nursery() as nursery:
        await nursery.start(server.serve_app, app, listeners)
        client = await to_the_last.enter_async_context(await connected(listeners[0].socket.getsockname()))
        await client.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield client, begun
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_unix", [False, True])
async def test_a_client_that_does_not_read_delays_the_end_by_five_seconds_at_most(
    tmp_path: Path, is_unix: bool
) -> None:
    with trio.CancelScope() as scope:
        async with endless(UnixBind(tmp_path / "s") if is_unix else ANY_PORT) as (_, begun):
            await begun.wait()
            await trio.testing.wait_all_tasks_blocked(0.2)  # the kernel's buffers are full
            scope.deadline = trio.current_time() + 5
    assert not scope.cancelled_caught


async def test_a_client_that_does_not_read_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_SECS", 0.2)
    with trio.fail_after(30):
        async with endless(ANY_PORT) as (client, begun):
            await begun.wait()
            await trio.testing.wait_all_tasks_blocked(0.5)
            with suppress(trio.BrokenResourceError):
                await received(client)


async def test_a_request_that_does_not_come_to_its_body_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDLE_SECS", 0.2)
    async with admin_daemon(tmp_path) as admin:
        for beginning in (b"", b"POST /admin/poll", b"POST /admin/pollers/inbox/run HTTP/1.1\r\nHost: localhost\r\n"):
            async with await admin.connect() as client:
                await client.send_all(beginning)
                assert await received(client) == b""
        assert (await admin.get("/admin/pollers/inbox"))["fence"] == 0


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "BODY_SECS", 0.2)
    async with admin_daemon(tmp_path, job()) as admin:
        async with await admin.connect() as client:
            await client.send_all(
                b"POST /admin/pollers/inbox/pause HTTP/1.1\r\n" + JSON + b"Content-Length: 9\r\n\r\n{"
            )
            assert status_of(await received(client)) == 408
        assert (await admin.get("/admin/pollers/inbox"))["paused"] is False


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 2000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1e8480\r\n"]
)
async def test_a_body_that_is_too_large_is_refused(tmp_path: Path, framing: bytes) -> None:
    async with admin_daemon(tmp_path, job()) as admin:
        async with await admin.connect() as client, trio.open_nursery() as nursery:

            async def send() -> None:
                with suppress(trio.BrokenResourceError):  # it has been told enough
                    await client.send_all(b'{"reason": "' + bytes(2_000_000))

            await client.send_all(b"POST /admin/pollers/inbox/pause HTTP/1.1\r\n" + JSON + framing)
            nursery.start_soon(send)
            assert status_of(bytes(await client.receive_some())) == 413
        assert (await admin.get("/admin/pollers/inbox"))["paused"] is False


async def test_headers_that_are_too_large_are_refused(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        async with await admin.connect() as client:
            await client.send_all(b"POST /admin/pollers/inbox/run HTTP/1.1\r\n" + JSON + b"X: " + b"x" * 30_000)
            assert status_of(bytes(await client.receive_some())) == 431
        assert (await admin.get("/admin/pollers/inbox"))["fence"] == 0


async def test_ten_thousand_chunks_for_a_request_that_is_refused_do_not_hold_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    async with admin_daemon(tmp_path) as admin:
        for _ in range(10):
            async with await admin.connect() as client:
                head = b"POST /admin/pollers/inbox/run HTTP/1.1\r\nHost: evil.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                await client.send_all(head + b"1\r\nx\r\n" * 10_000)
                assert status_of(bytes(await client.receive_some())) == 403
        await admin.until("/healthz", bool)


async def test_connections_are_so_many_and_the_next_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    async with admin_daemon(tmp_path) as admin:
        async with await admin.connect(), await admin.connect(), await admin.connect() as third:
            assert status_of(await received(third)) == 503
        with trio.fail_after(5):
            while (await admin.client.get("/healthz")).status_code != 200:
                await trio.lowlevel.checkpoint()


async def test_runs_take_half_of_the_places_so_that_others_can_still_look_and_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_SECS", 0.1)
    began, end = list[int](), trio.Event()

    async def slow(_: PollContext[Any]) -> TickAck:
        began.append(1)
        await end.wait()
        return TickAck()

    jobs = [job(f"job{n}", paused_on_boot=True) for n in range(5)]
    async with admin_daemon(tmp_path, *jobs, act=slow) as admin, trio.open_nursery() as nursery:
        for n in range(4):
            nursery.start_soon(admin.post, f"/admin/pollers/job{n}/run")
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert len(began) == 4
        busy = await admin.client.post("/admin/pollers/job4/run")
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
        assert len(await admin.get("/admin/pollers")) == 5
        assert (await admin.post("/admin/pollers/job4/pause"))["ok"] is True
        end.set()
    assert len(began) == 4


@pytest.mark.parametrize(("cost", "places"), [("ordinary", 8), ("lengthy", 4), ("light", 1000)])
async def test_so_many_requests_are_answered_at_once_and_whoever_has_waited_long_enough_is_told(
    cost: Cost, places: int, autojump_clock: trio.testing.MockClock
) -> None:
    limits, inside, most, refused = Limits(), list[int](), list[int](), list[Failure]()

    async def request() -> None:
        try:
            async with limits.place(cost):
                inside.append(1)
                most.append(len(inside))
                await trio.sleep(1)
                inside.pop()
        except Failure as failure:
            refused.append(failure)

    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(request)
    assert max(most) == places
    assert {failure.status for failure in refused} == ({503} if places < 1000 else set())
    assert len(refused) + len(most) == 1000


async def test_a_client_that_goes_away_in_the_middle_of_a_run_leaves_it_running_to_its_end(tmp_path: Path) -> None:
    began, end = trio.Event(), trio.Event()

    async def slow(ctx: PollContext[Any]) -> TickAck:
        began.set()
        await end.wait()
        return await counting(ctx)

    script = Script(slow)
    async with admin_daemon(tmp_path, pollers=(script,)) as admin:
        async with await admin.connect() as client:
            await client.send_all(b"POST /admin/pollers/inbox/run HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await began.wait()
        end.set()
        await admin.wait_for_job(last_status="ok", pending_messages=0)
        assert admin.daemon.texts() == ["1"]
    assert script.cancelled == 0


async def test_a_client_that_goes_away_in_the_middle_of_its_body_has_asked_for_nothing(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, job()) as admin:
        async with await admin.connect() as client:
            head = b"POST /admin/pollers/inbox/pause HTTP/1.1\r\n" + JSON + b"Content-Length: 20\r\n\r\n"
            await client.send_all(head + b'{"reason": "x"}')
        assert (await admin.get("/admin/pollers/inbox"))["paused"] is False


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"GET /admin/pollers HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" + KEY,
        b"GET /admin/pollers HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /admin/pollers HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    ],
    ids=["http2", "websocket", "two hosts", "no host", "tls"],
)
async def test_what_is_not_plain_http_gets_nothing(tmp_path: Path, request_bytes: bytes) -> None:
    async with admin_daemon(tmp_path) as admin:
        async with await admin.connect() as client:
            await client.send_all(request_bytes)
            await client.send_eof()
            assert b"inbox" not in await received(client)
        assert await admin.get("/healthz") == {"ok": True}


async def test_a_socket_is_served_as_a_port_is(tmp_path: Path) -> None:
    bind = UnixBind(tmp_path / "run" / "admin.sock")
    async with admin_daemon(tmp_path, admin=AdminSettings(bind=bind)) as admin:
        assert [found["id"] for found in await admin.get("/admin/pollers")] == ["inbox"]
