"""GET /admin/pollers/events, read as a browser does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
from admin_daemon import ANY_PORT, AdminDaemon, admin_daemon
from attrs import Factory, define
from daemon import job

from nexo_poller.admin import events as event_stream
from nexo_poller.admin import limits
from nexo_poller.config.binds import UnixBind
from nexo_poller.config.model import AdminSettings
from nexo_poller.runner.events import MOST_UNREAD


@define(eq=False)
class EventSource:
    """A client of a stream of events, on a connection of its own."""

    _stream: trio.SocketStream
    _http: h11.Connection = Factory(lambda: h11.Connection(h11.CLIENT))
    _unread: str = ""

    async def open(self, path: str) -> h11.Response:
        await self._stream.send_all(
            self._http.send(h11.Request(method="GET", target=path, headers=[("Host", "localhost")]))
        )
        await self._stream.send_all(self._http.send(h11.EndOfMessage()) or b"")
        answer = await self._next()
        assert isinstance(answer, h11.Response)
        return answer

    async def piece(self) -> list[str]:
        """The lines of the next piece."""
        while "\n\n" not in self._unread:
            data = await self._next()
            assert isinstance(data, h11.Data)
            self._unread += data.data.decode()
        piece, _, self._unread = self._unread.partition("\n\n")
        return piece.splitlines()

    async def event(self) -> tuple[str, Any]:
        """The next event: its kind and its data."""
        kind, data = await self.piece()
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def _next(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some())
        return event


@asynccontextmanager
async def listening_to(admin: AdminDaemon, path: str = "/admin/pollers/events") -> AsyncIterator[EventSource]:
    """Events from now on."""
    async with await admin.connect() as stream:
        source = EventSource(stream)
        answer = await source.open(path)
        headers = dict(answer.headers)
        assert answer.status_code == 200
        assert (headers[b"content-type"], headers[b"cache-control"]) == (b"text/event-stream", b"no-store")
        assert await source.piece() == ["retry: 2000"]
        yield source


async def listeners(admin: AdminDaemon, number: int) -> None:
    """Return once so many listen."""
    while True:
        if len(admin.daemon.runner._given.feed._readers) == number:
            return
        await trio.sleep(0.01)


async def test_what_happens_is_told_with_its_moment(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, listening_to(admin) as events:
        await admin.post("/admin/pollers/inbox/run")
        await admin.post("/admin/pollers/inbox/resume")
        told = [await events.event() for _ in range(4)]
        ran_at = (await admin.get("/admin/pollers/inbox"))["last_run_at_ms"]
    by_kind = {kind: data for kind, data in told if data.get("status") != "ok" or data["messages"]}
    assert {"tick", "delivery", "state"} <= {kind for kind, _ in told}
    assert by_kind["state"]["change"] == "resumed"
    assert by_kind["delivery"]["outcome"] == "delivered"
    assert told[0][1]["at_ms"] == pytest.approx(ran_at, abs=5_000)


async def test_a_stream_may_be_of_one_job(tmp_path: Path) -> None:
    jobs = [job(name, paused_on_boot=True) for name in ("inbox", "other")]
    async with admin_daemon(tmp_path, *jobs) as admin, listening_to(admin, "/admin/pollers/events?job=other") as events:
        for name in ("inbox", "other"):
            await admin.post(f"/admin/pollers/{name}/pause")
        assert (await events.event())[1]["job_id"] == "other"


async def test_a_quiet_stream_shows_that_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STILL_HERE_SECS", 0.05)
    async with admin_daemon(tmp_path) as admin, listening_to(admin) as events:
        assert [await events.piece() for _ in range(2)] == [[": still here"], [": still here"]]


async def test_whoever_does_not_read_hears_how_much_was_lost(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, listening_to(admin) as events:
        feed = admin.daemon.runner._given.feed
        for n in range(MOST_UNREAD + 100):
            feed.tell("tick", job_id="inbox", n=n)
        kind, data = await events.event()
        assert (kind, data["count"]) == ("lost", 100)
        assert (await events.event())[1]["n"] == 100


async def test_streams_take_no_place_of_a_request_and_are_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS", 10)
    async with admin_daemon(tmp_path) as admin, trio.open_nursery() as nursery:

        async def listen() -> None:
            async with listening_to(admin):
                await trio.sleep_forever()

        for _ in range(10):
            nursery.start_soon(listen)
        await listeners(admin, 10)
        assert len(await admin.get("/admin/pollers")) == 1
        assert "10 event streams" in (await admin.refused(503, "GET", "/admin/pollers/events"))["error"]
        nursery.cancel_scope.cancel()


async def test_a_client_that_goes_away_leaves_nobody_listening(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        async with listening_to(admin):
            await listeners(admin, 1)
        await listeners(admin, 0)


async def test_a_head_request_is_not_kept(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        assert (await admin.client.head("/admin/pollers/events")).status_code == 200


async def test_there_is_no_stream_of_a_runner_that_does_not_serve(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        await admin.daemon.runner.shutdown()
        await admin.refused(503, "GET", "/admin/pollers/events")


@pytest.mark.parametrize("is_unix", [False, True])
async def test_a_stalled_stream_delays_the_servers_end_by_five_seconds_at_most(tmp_path: Path, is_unix: bool) -> None:
    bind = UnixBind(tmp_path / "admin.sock") if is_unix else ANY_PORT
    async with admin_daemon(tmp_path, admin=AdminSettings(bind=bind)) as admin, await admin.connect() as client:
        await client.send_all(b"GET /admin/pollers/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await client.receive_some()
        await listeners(admin, 1)
        feed = admin.daemon.runner._given.feed
        for _ in range(MOST_UNREAD):
            feed.tell("tick", job_id="x" * 20_000)
        await trio.testing.wait_all_tasks_blocked(0.2)  # the kernel's buffers are full
        admin.scope.cancel()
        with trio.fail_after(5):
            await listeners(admin, 0)
