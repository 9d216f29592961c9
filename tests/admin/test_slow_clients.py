"""The server's patience with clients that are slow, silent, greedy or gone."""

from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
from admin_daemon import PAUSED, admin_daemon
from daemon import Script, counting, job
from event_clients import MORE_THAN_BUFFERS_HOLD, listeners, stalled_stream

from nexo_poller import PollContext, TickAck
from nexo_poller.admin.failures import Failure
from nexo_poller.admin.limits import Limits
from nexo_poller.admin.route import Cost
from nexo_poller.admin.server import MAX_CONNECTIONS
from nexo_poller.config.binds import UnixBind
from nexo_poller.config.model import AdminSettings

KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # and its first frame
JSON = b"Host: localhost\r\nContent-Type: application/json\r\n"


async def received(stream: trio.SocketStream) -> bytes:
    """All that the server sends until it closes the connection."""
    return b"".join([bytes(some) async for some in stream])


def status_of(answer: bytes) -> int:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.receive_data(answer)
    event = client.next_event()
    assert isinstance(event, h11.Response)
    return event.status_code


async def test_whoever_keeps_the_server_waiting_for_some_seconds_loses_the_connection(tmp_path: Path) -> None:
    """All at once, for these are real seconds."""
    async with admin_daemon(tmp_path, job()) as admin:

        async def ask_slowly(beginning: bytes) -> None:
            async with await admin.connect() as client:
                await client.send_all(beginning)
                assert await received(client) == b""

        async def send_slowly() -> None:
            async with await admin.connect() as client:
                head = b"POST /admin/pollers/inbox/pause HTTP/1.1\r\n" + JSON + b"Content-Length: 9\r\n\r\n"
                await client.send_all(head + b"{")
                assert status_of(await received(client)) == 408

        async def read_slowly() -> None:
            async with stalled_stream(admin) as client:
                await listeners(admin, 0)
                with suppress(trio.BrokenResourceError):
                    assert len(await received(client)) < MORE_THAN_BUFFERS_HOLD

        async with trio.open_nursery() as nursery:
            for beginning in (b"", b"POST /adm", b"POST /admin/pollers/inbox/pause HTTP/1.1\r\nHost: localhost\r\n"):
                nursery.start_soon(ask_slowly, beginning)
            nursery.start_soon(send_slowly)
            nursery.start_soon(read_slowly)
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


@pytest.mark.parametrize(
    "headers",
    [b"X: " + b"x" * 40_000, b"\r\n".join(b"X%d: %s" % (n, b"x" * 10) for n in range(1000))],
    ids=["one", "many"],
)
async def test_headers_that_are_too_large_are_refused_though_they_come_in_one_piece(
    tmp_path: Path, headers: bytes
) -> None:
    async with admin_daemon(tmp_path) as admin:
        async with await admin.connect() as client:
            await client.send_all(b"POST /admin/pollers/inbox/run HTTP/1.1\r\n" + JSON + headers + b"\r\n\r\n")
            assert status_of(await received(client)) == 431
        assert (await admin.get("/admin/pollers/inbox"))["fence"] == 0


async def test_headers_up_to_the_limit_are_read(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        assert await admin.get("/admin/pollers", headers={"X": "x" * 16_000})


async def test_a_body_whose_end_is_told_in_two_ways_is_refused_and_what_follows_is_no_request(tmp_path: Path) -> None:
    both = b"Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    smuggled = b"POST /admin/pollers/inbox/run HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with admin_daemon(tmp_path, PAUSED) as admin:
        async with await admin.connect() as client:
            await client.send_all(b"POST /admin/pollers/inbox/pause HTTP/1.1\r\n" + JSON + both + smuggled)
            answer = await received(client)
            assert status_of(answer) == 400
            assert answer.count(b"HTTP/1.1") == 1
        assert (await admin.get("/admin/pollers/inbox"))["fence"] == 0


async def test_http_2_is_not_spoken_and_so_holds_no_connection(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, AsyncExitStack() as clients:
        for _ in range(MAX_CONNECTIONS):
            client = await clients.enter_async_context(await admin.connect())
            await client.send_all(HTTP_2)
            assert status_of(await received(client)) == 505
        await admin.no_connections()
        assert await admin.get("/healthz") == {"ok": True}


async def test_who_offers_http_2_is_answered_over_http_1(tmp_path: Path) -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    async with admin_daemon(tmp_path) as admin:
        answer = await admin.client.get("/admin/pollers", headers=offer)
    assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
    assert answer.json()[0]["id"] == "inbox"


@pytest.mark.parametrize("path", ["/admin/pollers/inbox/run", "/healthz"])
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
async def test_whatever_is_left_of_a_body_holds_no_connection_and_is_not_worth_a_line_in_the_log(
    tmp_path: Path, path: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    async with admin_daemon(tmp_path) as admin:
        for chunks in (*range(20), 10_000):
            async with await admin.connect() as client:
                await client.send_all(head + b"1\r\nx\r\n" * chunks)
            async with await admin.connect() as client:
                await client.send_all(head + b"1\r\nx\r\n" * chunks)
                assert status_of(bytes(await client.receive_some())) in {403, 405, 415}
        await admin.no_connections()
    assert [record for record in caplog.records if "ASGI" in record.message or "connection" in record.message] == []


async def test_connections_are_so_many_and_the_next_is_told_so(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        async with AsyncExitStack() as clients:
            for _ in range(MAX_CONNECTIONS):
                await clients.enter_async_context(await admin.connect())
            async with await admin.connect() as next_one:
                assert status_of(await received(next_one)) == 503
        while (await admin.client.get("/healthz")).status_code != 200:
            await trio.lowlevel.checkpoint()


async def test_runs_take_half_of_the_places_so_that_others_can_still_look_and_pause(tmp_path: Path) -> None:
    began, four_began, end = list[str](), trio.Event(), trio.Event()

    async def slow(ctx: PollContext[Any]) -> TickAck:
        began.append(ctx.job_id)
        if len(began) == 4:
            four_began.set()
        await end.wait()
        return TickAck()

    jobs = [job(f"job{n}", paused_on_boot=True) for n in range(9)]
    async with admin_daemon(tmp_path, *jobs, act=slow) as admin, trio.open_nursery() as nursery:
        for n in range(9):
            nursery.start_soon(admin.post, f"/admin/pollers/job{n}/run")
        await four_began.wait()
        assert len(await admin.get("/admin/pollers")) == 9
        assert (await admin.post("/admin/pollers/job4/pause"))["ok"] is True
        await trio.testing.wait_all_tasks_blocked()
        assert len(began) == 4
        end.set()
    assert len(began) == 9


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
    assert [failure for failure in refused if (failure.status, failure.headers) != (503, {"Retry-After": "1"})] == []
    assert bool(refused) == (places < 1000)
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
        HTTP_2,
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
