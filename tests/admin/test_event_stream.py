"""Server-sent events, over a real port: what is told, to whom, and how a stream ends."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from admin_daemon import ANY_PORT, PAUSED, AdminDaemon, admin_daemon
from attrs import define
from daemon import job
from event_clients import PATH, REQUEST, listeners, open_stream, stalled_stream
from trio.testing import MockClock, wait_all_tasks_blocked

from nexo_poller import PollContext, TickAck
from nexo_poller.admin.events import HEARTBEAT, HEARTBEAT_SECS, event_bytes, next_piece
from nexo_poller.admin.limits import STREAMS
from nexo_poller.config.binds import Bind, UnixBind
from nexo_poller.config.model import AdminSettings, Config
from nexo_poller.runner.events import MOST_UNREAD, Feed, RunnerEvent
from nexo_poller.schedule import At
from nexo_poller.testing import VirtualClock

ONE_DAY = At(datetime(2099, 1, 1, tzinfo=UTC))

# httpcore leaves the generators of an answer that is not read to its end to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")


@define(eq=False)
class Told:
    """What a client is told, from its beginning on."""

    answer: httpx.Response
    lines: AsyncIterator[str]

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The kind and data of the next event."""
        name, data, end = [await anext(self.lines) for _ in range(3)]
        assert (name[:7], data[:6], end) == ("event: ", "data: ", "")
        return name[7:], json.loads(data[6:])


@asynccontextmanager
async def listening_to(admin: AdminDaemon, **query: str) -> AsyncIterator[Told]:
    """A client that hears whatever happens during the block."""
    async with admin.client.stream("GET", PATH, params=query) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert [await anext(lines), await anext(lines)] == ["retry: 2000", ""]
        yield Told(answer, lines)


async def test_ticks_and_deliveries_are_told_as_they_happen(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, listening_to(admin) as told:
        await admin.post("/admin/pollers/inbox/run")
        [row] = await admin.get("/admin/pollers/inbox/history")
        tick, delivery = await told.next(), await told.next()
        [(_, event)] = admin.daemon.sent
    assert told.answer.headers["content-type"].startswith("text/event-stream")
    assert told.answer.headers["cache-control"] == "no-store"
    assert type(tick[1].pop("at_ms")) is int
    assert tick == (
        "tick",
        {
            "job_id": "inbox",
            "kind": "script",
            "agent": "ana",
            "status": "ok",
            "error": None,
            "duration_ms": row["duration_ms"],
            "items_seen": 0,
            "items_dispatched": 0,
            "messages": 1,
        },
    )
    assert delivery[0] == "delivery"
    assert delivery[1].items() >= {"job_id": "inbox", "message_id": event.id, "outcome": "delivered"}.items()


async def test_what_operators_do_is_told_with_their_reasons(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, job(schedule=ONE_DAY)) as admin, listening_to(admin) as told:
        await admin.post("/admin/pollers/inbox/pause", {"by": "ana", "reason": "maintenance\n\ndata: of the feed"})
        kind, data = await told.next()
    assert (kind, data["job_id"], data["change"]) == ("state", "inbox", "paused")
    assert data["reason"] == "ana: maintenance\n\ndata: of the feed"


async def test_a_reload_is_told_as_its_plan(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, listening_to(admin) as told:
        admin.daemon.runner.source = lambda: Config(jobs=(PAUSED, job("new", paused_on_boot=True)))
        await admin.post("/admin/pollers/reload")
        kind, data = await told.next()
    assert kind == "reload"
    assert data.items() >= {"add": ["new"], "replace": [], "remove": [], "keep": 1}.items()


async def test_whoever_asks_for_a_job_hears_of_it_and_of_what_concerns_all(tmp_path: Path) -> None:
    jobs = (job(schedule=ONE_DAY), job("other", schedule=ONE_DAY))
    async with admin_daemon(tmp_path, *jobs) as admin, listening_to(admin, job="inbox") as told:
        await admin.post("/admin/pollers/other/pause")
        await admin.post("/admin/pollers/inbox/pause")
        await admin.daemon.runner.reload(Config(jobs=jobs))
        heard = [await told.next(), await told.next()]
    assert [(kind, data.get("job_id")) for kind, data in heard] == [("state", "inbox"), ("reload", None)]


async def test_a_client_that_is_too_slow_is_told_how_much_it_has_missed(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, listening_to(admin) as told:
        for n in range(MOST_UNREAD + 7):
            admin.daemon.runner._given.feed.tell("tick", n=n)
        heard = [await told.next() for _ in range(MOST_UNREAD + 1)]
    assert (heard[0][0], heard[0][1]["count"]) == ("lost", 7)
    assert [data["n"] for _, data in heard[1:]] == [*range(7, MOST_UNREAD + 7)]


async def test_whoever_hears_nothing_hears_a_heart_beat(autojump_clock: MockClock) -> None:
    feed, clock = Feed(VirtualClock()), VirtualClock()
    began = clock.now()
    with feed.listening() as events:
        assert await next_piece(events, None) == HEARTBEAT
        assert (clock.now() - began).total_seconds() == HEARTBEAT_SECS
        async with trio.open_nursery() as nursery:

            async def chatter() -> None:
                while True:
                    feed.tell("tick", job_id="other")
                    await trio.sleep(1)

            nursery.start_soon(chatter)
            assert await next_piece(events, "inbox") == HEARTBEAT
            assert (clock.now() - began).total_seconds() == 2 * HEARTBEAT_SECS
            nursery.cancel_scope.cancel()
        feed.tell("tick", job_id="inbox")
        assert b"inbox" in await next_piece(events, "inbox")
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT.endswith(b"\n\n")


def test_a_moment_is_told_in_whole_milliseconds() -> None:
    event = RunnerEvent(kind="tick", at=datetime(2026, 3, 1, 12, 0, 0, 123_999, UTC), data={"job_id": "inbox"})
    assert event_bytes(event) == b'event: tick\ndata: {"at_ms": 1772366400123, "job_id": "inbox"}\n\n'


async def test_who_only_asks_for_the_headers_gets_them_and_is_free_to_ask_again(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        answer = await admin.client.head(PATH)
        assert await admin.get("/healthz") == {"ok": True}
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_streams_are_so_many_and_take_no_place_from_requests(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, AsyncExitStack() as clients:
        streams = [await clients.enter_async_context(open_stream(admin)) for _ in range(STREAMS)]
        refused = await admin.client.get(PATH)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert (await admin.post("/admin/pollers/inbox/run"))["ok"] is True
        await streams.pop().aclose()
        while (await admin.client.head(PATH)).status_code == 503:
            await trio.lowlevel.checkpoint()
        await clients.enter_async_context(open_stream(admin))


async def test_of_streams_that_are_asked_for_at_the_same_moment_no_more_are_let_in(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, AsyncExitStack() as clients:
        connections = [await clients.enter_async_context(await admin.connect()) for _ in range(STREAMS + 10)]
        async with trio.open_nursery() as nursery:
            for connection in connections:
                nursery.start_soon(connection.send_all, REQUEST)
        for connection in connections:
            await connection.receive_some()
        await wait_all_tasks_blocked(0.05)
        assert len(admin.daemon.runner._given.feed._readers) == STREAMS


async def test_a_client_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        async with open_stream(admin):
            await listeners(admin, 1)
            assert admin.connections() == 1
        await listeners(admin, 0)
        await admin.no_connections()


async def test_a_stream_ends_when_the_server_does(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin, open_stream(admin) as client:
        admin.scope.cancel()
        async for some in client:
            assert b"event" not in some


async def test_a_stream_tells_the_last_of_a_runner_that_stops_and_ends(tmp_path: Path) -> None:
    began, end = trio.Event(), trio.Event()

    async def slow(_: PollContext[Any]) -> TickAck:
        began.set()
        await end.wait()
        return TickAck()

    async with admin_daemon(tmp_path, job(), act=slow) as admin, listening_to(admin) as told:
        await began.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admin.daemon.runner.shutdown)
            await wait_all_tasks_blocked()
            await admin.refused(503, "GET", PATH)
            end.set()
            assert (await told.next())[0] == "tick"
            assert [line async for line in told.lines] == []


@pytest.mark.parametrize("is_unix", [False, True])
async def test_a_stalled_event_stream_delays_the_end_by_five_seconds_at_most(tmp_path: Path, is_unix: bool) -> None:
    bind: Bind = UnixBind(tmp_path / "run" / "admin.sock") if is_unix else ANY_PORT
    with trio.CancelScope() as scope:
        async with AsyncExitStack() as to_the_last, admin_daemon(tmp_path, admin=AdminSettings(bind=bind)) as admin:
            await to_the_last.enter_async_context(stalled_stream(admin))
            scope.deadline = trio.current_time() + 5
    assert not scope.cancelled_caught
