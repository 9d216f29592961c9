"""The admin app in an app that has routes of its own, served by hypercorn on a real port."""

import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trio
from daemon import Script, Tick, counting, job
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve
from hypercorn.utils import LifespanFailureError
from quart import request
from quart_trio import QuartTrio

from nexo_poller import Config, Every, JobSpec, PollContext, PollerRunner, PrometheusMetrics, Settings, TickAck
from nexo_poller.admin import Rules, admin_blueprint, mount

TOKEN: Final = "0123456789abcdef"
PAUSED: Final = job(paused_on_boot=True)
EVIL: Final = {"Host": "evil.example"}
CROSS_SITE: Final = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


def shop() -> QuartTrio:
    """Somebody else's app: it takes forms from anywhere, and answers by any name."""
    app = QuartTrio("shop")

    @app.get("/")
    async def front() -> str:
        return "come in"

    @app.post("/orders")
    async def order() -> dict[str, Any]:
        return {"ordered": (await request.form)["what"]}

    return app


def runner_of(folder: Path, *jobs: JobSpec, act: Tick = counting) -> PollerRunner:
    config = Config(jobs=jobs or (PAUSED,), settings=Settings(state_db=folder / "poller.db"))
    return PollerRunner(config, metrics=PrometheusMetrics()).register(Script(act))


@asynccontextmanager
async def served(app: QuartTrio, host: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app, which is told to end after the block, and then has ended."""
    over = trio.Event()
    server = partial(serve, app, HypercornConfig.from_mapping(bind=f"{host}:0"), shutdown_trigger=over.wait)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            (url,) = await nursery.start(server)
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
                yield client
            over.set()


@asynccontextmanager
async def mounted(runner: PollerRunner, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = shop()
    mount(app, runner, "/ops", **more)
    async with served(app) as client:
        yield client


@asynccontextmanager
async def beside(runner: PollerRunner, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = shop()
    app.register_blueprint(admin_blueprint(runner, "/ops", **more))
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        async with served(app) as client:
            yield client
        await runner.shutdown()


def own_address() -> str:
    """An address at which other machines reach this one; choosing it sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
        unconnected.connect(("192.0.2.1", 9))
        return str(unconnected.getsockname()[0])


Embedded = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
both_ways = pytest.mark.parametrize("embedded", [mounted, beside])


async def lease_of(runner: PollerRunner) -> tuple[str | None, int]:
    """Who has the lease of `inbox` once the runner is closed, and how many of its ticks were committed."""
    async with runner.opened():
        return (await runner.details("inbox")).holder, len(await runner.history("inbox"))


@both_ways
async def test_the_apps_own_routes_and_those_below_the_prefix_answer_side_by_side(
    tmp_path: Path, embedded: Embedded
) -> None:
    async with embedded(runner_of(tmp_path)) as client:
        assert (await client.get("/")).text == "come in"
        assert (await client.post("/orders", data={"what": "tea"})).json() == {"ordered": "tea"}
        assert (await client.post("/ops/admin/pollers/inbox/run")).json()["deliveries"] == 1
        (found,) = (await client.get("/ops/admin/pollers")).json()
        assert found["last_status"] == "ok"
        assert 'poller_ticks_total{agent="ana",job_id="inbox"' in (await client.get("/ops/metrics")).text
        assert (await client.get("/ops/openapi.json")).json()["servers"] == [{"url": "/ops"}]
        assert (await client.get("/ops/readyz")).json() == {"ok": True}
        for own in ("/admin/pollers", "/healthz", "/metrics", "/openapi.json", "/ops/nothing"):
            assert (await client.get(own)).status_code == 404


@both_ways
async def test_the_page_finds_its_files_and_links_below_the_prefix(tmp_path: Path, embedded: Embedded) -> None:
    async with embedded(runner_of(tmp_path)) as client:
        page = (await client.get("/ops", follow_redirects=True)).text
        links = {link for link in re.findall(r'(?:href|src)="([^"#?]+)', page) if not link.startswith("data:")}
        assert {link for link in links if "static" in link and link.endswith(".js")}
        assert "/ops/jobs/inbox" in links
        for link in links:
            assert link.startswith("/ops/")
            assert (await client.get(link)).status_code == 200, link
    assert 'data-root="/ops/"' in page


# httpcore leaves the generators of an answer that is not read to its end to the garbage collector
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@both_ways
async def test_events_are_told_below_the_prefix(tmp_path: Path, embedded: Embedded) -> None:
    async with (
        embedded(runner_of(tmp_path, job())) as client,
        client.stream("GET", "/ops/admin/pollers/events") as stream,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        await client.post("/ops/admin/pollers/inbox/pause", json={"reason": "tea"})
        line = ""
        while '"reason": "tea"' not in line:
            line = await anext(lines)
    assert '"change": "paused"' in line


@both_ways
async def test_the_token_is_asked_for_below_the_prefix_only_and_its_cookie_goes_nowhere_else(
    tmp_path: Path, embedded: Embedded
) -> None:
    async with embedded(runner_of(tmp_path), rules=Rules(token=TOKEN)) as client:
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/ops/admin/pollers")).status_code == 401
        assert (await client.get("/ops/")).status_code == 401
        assert (await client.post("/ops/admin/session", json={"token": "wrong"})).status_code == 401
        given = await client.post("/ops/admin/session", json={"token": TOKEN})
        listed = await client.get("/ops/admin/pollers")
        own = await client.get("/")
    assert "Path=/ops/;" in given.headers["set-cookie"]
    assert listed.status_code == 200
    assert "cookie" in listed.request.headers
    assert "cookie" not in own.request.headers


@both_ways
async def test_whom_the_admin_app_refuses_the_app_may_still_answer(tmp_path: Path, embedded: Embedded) -> None:
    async with embedded(runner_of(tmp_path, job())) as client:
        assert (await client.get("/ops/admin/pollers", headers=EVIL)).status_code == 403
        assert (await client.get("/ops/", headers=EVIL)).status_code == 403
        assert (await client.post("/ops/admin/pollers/inbox/pause", headers=CROSS_SITE)).status_code == 403
        assert (await client.post("/ops/admin/pollers/inbox/pause", data={"reason": "x"})).status_code == 415
        assert (await client.get("/ops/admin/pollers/inbox")).json()["paused"] is False
        own = await client.get("/", headers=EVIL)
        assert own.status_code == 200
        assert (await client.post("/orders", data={"what": "tea"}, headers=CROSS_SITE)).status_code == 200
    assert "content-security-policy" not in own.headers


async def test_an_app_for_the_network_shows_it_no_admin_app_without_a_token(tmp_path: Path) -> None:
    app, host = shop(), own_address()
    mount(app, runner_of(tmp_path), "/ops")
    local = {"Host": "localhost"}
    async with served(app, host) as client:
        for path in ("/ops/", "/ops/admin/pollers", "/ops/metrics", "/ops/healthz", "/ops/openapi.json"):
            said = await client.get(path, headers=local)
            assert said.status_code == 403, path
            assert "without a token only this machine is answered" in said.json()["error"]
        assert (await client.post("/ops/admin/pollers/inbox/resume", headers=local)).status_code == 403
        assert (await client.get("/")).text == "come in"


@both_ways
@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        *((405, "FOO", "/ops/admin/pollers"), (405, "PROPFIND", "/ops/"), (405, "DELETE", "/ops/healthz")),
        *((404, "GET", "/ops/nope"), (404, "FOO", "/ops/nope"), (404, "GET", "/ops/admin/nope")),
    ],
)
async def test_below_the_prefix_whatever_is_asked_for_is_judged_and_refused_in_json(
    tmp_path: Path, embedded: Embedded, status: int, method: str, path: str
) -> None:
    async with embedded(runner_of(tmp_path)) as client:
        said = await client.request(method, path)
        assert (said.status_code, said.json()["ok"]) == (status, False)
        assert (await client.request(method, path, headers=EVIL)).status_code == 403
        assert (await client.request(method, path.removeprefix("/ops"))).headers["content-type"].startswith("text/html")


async def test_an_app_that_has_it_at_its_root_keeps_what_else_is_there(tmp_path: Path) -> None:
    app = QuartTrio("shop")

    @app.get("/<path:goods>")
    async def show(goods: str) -> str:
        return goods

    app.register_blueprint(admin_blueprint(runner_of(tmp_path)))
    async with served(app) as client:
        assert (await client.get("/shoes/red")).text == "shoes/red"
        assert (await client.get("/admin/nope")).json()["ok"] is False


async def test_an_app_that_ends_lets_its_runner_finish_the_tick_under_way(tmp_path: Path) -> None:
    began = trio.Event()

    async def until_told(_: PollContext[Any]) -> TickAck:
        began.set()
        while runner.is_serving:  # noqa: ASYNC110 - a runner that begins to stop says so to nobody else
            await trio.sleep(0.01)
        return TickAck()

    runner = runner_of(tmp_path, job(), act=until_told)
    async with mounted(runner):
        await began.wait()
    assert await lease_of(runner) == (None, 1)


@pytest.mark.parametrize("patience", [0.5, None])
async def test_an_app_that_ends_gives_back_the_lease_of_a_tick_that_does_not(
    tmp_path: Path, patience: float | None
) -> None:
    began = trio.Event()

    async def endless(_: PollContext[Any]) -> TickAck:
        began.set()
        await trio.sleep_forever()
        raise AssertionError

    runner, app = runner_of(tmp_path, job(), act=endless), shop()
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = patience
    mount(app, runner)
    async with served(app):
        await began.wait()
    assert not runner.is_serving
    assert await lease_of(runner) == (None, 0)


async def test_a_server_that_is_cancelled_gives_back_the_leases_too(tmp_path: Path) -> None:
    began = trio.Event()

    async def endless(_: PollContext[Any]) -> TickAck:
        began.set()
        await trio.sleep_forever()
        raise AssertionError

    runner, scope = runner_of(tmp_path, job(), act=endless), trio.CancelScope()
    with scope:
        async with mounted(runner):
            await began.wait()
            scope.cancel()
    assert await lease_of(runner) == (None, 0)


async def test_a_runner_that_cannot_start_keeps_the_app_from_starting_and_says_why(tmp_path: Path) -> None:
    tmp_path.joinpath("poller.db").write_text("this is no database, and it is long enough to be seen as one\n" * 10)
    runner = runner_of(tmp_path)
    with pytest.RaisesGroup(
        pytest.RaisesExc(LifespanFailureError, match=r"poller\.db: no SQLite database; point `state_db` at another"),
        flatten_subgroups=True,
    ):
        async with mounted(runner):
            await trio.sleep_forever()
    assert not runner.is_serving


@both_ways
async def test_a_runner_that_is_over_leaves_the_app_as_it_is(tmp_path: Path, embedded: Embedded) -> None:
    runner = runner_of(tmp_path, job(schedule=Every(timedelta(hours=1), jitter=timedelta())))
    async with embedded(runner) as client:
        await runner.shutdown()
        assert (await client.get("/ops/readyz")).status_code == 503
        assert (await client.get("/ops/admin/pollers")).status_code == 503
        assert (await client.get("/ops/healthz")).status_code == 200
        assert (await client.get("/")).text == "come in"
