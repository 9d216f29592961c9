"""Those who may not call, over a real port: each is refused, and leaves everything as it was."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from admin_daemon import ANY_PORT, AdminDaemon, admin_daemon
from daemon import job, text

from nexo_poller import PollContext, TickAck
from nexo_poller.admin.access import Rules
from nexo_poller.admin.table import ROUTES
from nexo_poller.broker import Event
from nexo_poller.config.binds import UnixBind
from nexo_poller.config.model import AdminSettings, Settings
from nexo_poller.errors import MessageRejected

TOKEN: Final = "correct horse battery staple".replace(" ", "-")
COOKIE: Final = Rules(token=TOKEN).session_cookie
WITH_TOKEN: Final = AdminSettings(bind=ANY_PORT, token=TOKEN)
KNOWN: Final = {"Authorization": f"Bearer {TOKEN}"}
CHANGES: Final[Sequence[tuple[str, str, Any]]] = (
    ("POST", "/admin/pollers/inbox/run", {}),
    ("POST", "/admin/pollers/inbox/pause", {"reason": "evil"}),
    ("POST", "/admin/pollers/asleep/resume", {}),
    ("POST", "/admin/pollers/inbox/reset", {}),
    ("POST", "/admin/pollers/reload", {}),
    ("PUT", "/admin/pollers/asleep/cursor", {"text": "evil"}),
    ("POST", "/admin/tools/pollers_run", {"agent_id": "evil", "arguments": {"id": "inbox"}}),
    ("POST", "/admin/dead-letters/1/replay", {}),
    ("DELETE", "/admin/dead-letters/1", {}),
    ("DELETE", "/admin/dead-letters", {}),
)
LOOKS: Final[Sequence[tuple[str, str, Any]]] = tuple(
    ("GET", route.path.replace("{id}", "inbox"), None) for route in ROUTES if route.method == "GET"
)
NOWHERE: Final[Sequence[tuple[str, str, Any]]] = (
    *(("GET", "/nope", None), ("POST", "/nope", {}), ("FOO", "/nope", None)),
    *(
        ("FOO", "/admin/pollers", None),
        ("PROPFIND", "/", None),
        ("BREW", "/healthz", None),
        ("FOO", "/admin/nope", None),
    ),
)


def test_every_endpoint_that_changes_something_is_tried_here() -> None:
    tried = {(method, path.replace("asleep", "inbox")) for method, path, _ in CHANGES}
    changing = [route for route in ROUTES if route.method != "GET" and route.path != "/admin/session"]
    assert {
        (
            route.method,
            route.path.replace("pollers/{id}", "pollers/inbox").replace("{id}", "1").replace("{name}", "pollers_run"),
        )
        for route in changing
    } == tried


@asynccontextmanager
async def untouched(tmp_path: Path, admin: AdminSettings | None = None) -> AsyncIterator[AdminDaemon]:
    """A daemon with something of everything; fails unless all of it is there and as it was after the block."""

    async def dying_once(ctx: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(next_cursor=b"mine", deliver=[text("dead")] if ctx.cursor is None else [])

    async def refuse(_: Event) -> None:
        await trio.lowlevel.checkpoint()
        raise MessageRejected("no such chat")

    jobs = (job(), job("asleep", paused_on_boot=True))
    settings = Settings(max_delivery_attempts=1)
    reloads = list[int]()
    async with admin_daemon(tmp_path, *jobs, act=dying_once, admin=admin, settings=settings) as running:
        runner = running.daemon.runner
        runner.source = lambda: reloads.append(1)
        async with runner.broker.handle("plugin.outbound.>", refuse):
            await running.until("/admin/dead-letters", bool, headers=KNOWN)

        async def everything() -> Any:
            cursors = [await runner.cursor(job_id) for job_id in ("inbox", "asleep")]
            return await runner.list_jobs(), cursors, await runner.dead_letters(), await runner.outbox(), reloads

        before = await everything()
        yield running
        assert await everything() == before


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9091", "127.0.0.1.evil.example", ""])
async def test_a_page_whose_name_was_made_to_point_here_gets_nothing(tmp_path: Path, host: str) -> None:
    async with untouched(tmp_path) as admin:
        for method, path, body in (*CHANGES, *LOOKS, *NOWHERE):
            said = await admin.client.request(method, path, json=body, headers={"Host": host})
            assert said.status_code == 403, (method, path, said.text)
            assert "host" in said.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    async with untouched(tmp_path) as admin:
        for method, path, body in CHANGES:
            said = await admin.refused(403, method, path, json=body, headers=headers)
            assert "other sites" in said["error"]


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/x-www-form-urlencoded", b"reason=evil"),
        ("text/plain", b'{"reason": "evil"}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("text/plain", b""),
    ],
)
async def test_what_a_form_can_send_changes_nothing(tmp_path: Path, content_type: str, content: bytes) -> None:
    async with untouched(tmp_path) as admin:
        for method, path, _ in CHANGES:
            await admin.refused(415, method, path, content=content, headers={"Content-Type": content_type})


async def test_no_answer_invites_other_sites(tmp_path: Path) -> None:
    async with untouched(tmp_path) as admin:
        asking = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        answers = [
            await admin.client.request(method, "/admin/pollers", headers=asking) for method in ("OPTIONS", "GET")
        ]
    assert [name for answer in answers for name in answer.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": f"{COOKIE}=1.2"}])
async def test_without_the_token_there_is_nothing_to_see_or_to_do(tmp_path: Path, headers: dict[str, str]) -> None:
    public = {route.path for route in ROUTES if route.is_public}
    async with untouched(tmp_path, WITH_TOKEN) as admin:
        looks = [look for look in LOOKS if look[1].replace("inbox", "{id}") not in public]
        assert len(looks) > 8
        for method, path, body in (*CHANGES, *looks, *NOWHERE):
            said = await admin.client.request(method, path, json=body, headers=headers)
            assert said.status_code == 401, (method, path, said.text)
            assert said.headers["www-authenticate"] == "Bearer"
        for path in ("/", "/jobs/inbox", "/outbox", "/dead-letters"):
            shown = await admin.client.get(path, headers=headers)
            assert "asks for a token" in shown.text
            assert "asleep" not in shown.text


async def test_with_the_token_there_is_all_and_the_page_gets_a_cookie_for_it(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, admin=WITH_TOKEN) as admin:
        assert await admin.get("/admin/pollers", headers=KNOWN)
        await admin.refused(401, "POST", "/admin/session", json={"token": "wrong"})
        assert not admin.client.cookies
        opened = await admin.client.post("/admin/session", json={"token": TOKEN})
        assert await admin.get("/admin/pollers")
        assert "inbox" in (await admin.client.get("/")).text
        await admin.post("/admin/pollers/inbox/run")
        await admin.refused(403, "POST", "/admin/pollers/inbox/run", headers={"Origin": "http://evil.example"})
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/;" in cookie
    assert TOKEN not in cookie


async def test_a_browser_stays_with_two_daemons_of_one_host_that_have_different_tokens(tmp_path: Path) -> None:
    other = AdminSettings(bind=ANY_PORT, token="another-token-of-16")
    async with admin_daemon(tmp_path / "1", admin=WITH_TOKEN) as one, admin_daemon(tmp_path / "2", admin=other) as two:
        for admin, token in ((one, TOKEN), (two, other.token)):
            await admin.post("/admin/session", {"token": token})
        both = {
            "Cookie": "; ".join(
                f"{name}={value}" for admin in (one, two) for name, value in admin.client.cookies.items()
            )
        }
        for admin in (one, two):
            admin.client.cookies.clear()
            assert await admin.get("/admin/pollers", headers=both)


async def test_health_needs_no_token_and_tells_nothing_else(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, admin=WITH_TOKEN) as admin:
        assert await admin.get("/healthz") == {"ok": True}
        assert await admin.get("/readyz") == {"ok": True}


async def test_a_socket_asks_the_same_questions(tmp_path: Path) -> None:
    bind = UnixBind(tmp_path / "run" / "admin.sock")
    async with untouched(tmp_path, AdminSettings(bind=bind)) as admin:
        await admin.refused(403, "POST", "/admin/pollers/inbox/run", headers={"Host": "evil.example"})
        await admin.refused(403, "POST", "/admin/pollers/inbox/run", headers={"Origin": "http://evil.example"})
        assert await admin.get("/healthz") == {"ok": True}
