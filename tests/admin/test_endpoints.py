"""Every endpoint, over a real port: its shape, its effect, its failures."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from admin_daemon import PAUSED, admin_daemon
from attrs import evolve
from daemon import Script, counting, job, text
from prometheus_client.parser import text_string_to_metric_families

from nexo_poller import ConfigError, PollContext, TickAck, TransientError
from nexo_poller.broker import Event
from nexo_poller.config.model import Settings
from nexo_poller.config.reading import load_config
from nexo_poller.errors import MessageRejected

A_MINUTE_MS: Final = 60_000
SHAPE: Final = {
    *("id", "kind", "agent", "paused", "last_run_at_ms", "next_run_at_ms", "last_status", "last_error"),
    *("consecutive_errors", "items_seen_total", "items_dispatched_total"),
}


async def failing(_: PollContext[Any]) -> TickAck:
    await trio.lowlevel.checkpoint()
    raise TransientError("the server is away")


async def test_jobs_are_listed_in_the_order_of_the_file(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, job("z"), job("a"), job("odd", kind="nope")) as admin:
        listed = await admin.get("/admin/pollers")
    assert [(found["id"], found["rejected"]) for found in listed] == [("z", False), ("a", False), ("odd", True)]
    assert all(found.keys() >= SHAPE for found in listed)


async def test_a_job_is_shown_in_full(tmp_path: Path) -> None:
    config = {"deliver": {"channel": "telegram", "to": "7"}}
    async with admin_daemon(tmp_path, evolve(PAUSED, config=config, extra={"team": "ops"})) as admin:
        before = await admin.get("/admin/pollers/inbox")
        await admin.post("/admin/pollers/inbox/run")
        after = await admin.get("/admin/pollers/inbox")
    assert before.keys() == after.keys() > SHAPE
    assert before["config"]["deliver"]["channel"] == "telegram"
    assert before["extra"] == {"team": "ops"}
    assert before["schedule"]["every_secs"] == 60
    assert before["cursor"] is None
    assert before["last_run_at_ms"] is None
    assert after["cursor"] == {"size": 1, "digest": "6b86b273ff34fce1"}
    assert after["fence"] == before["fence"] + 1
    assert after["breaker"] == "closed"
    assert isinstance(after["last_run_at_ms"], int)


async def test_a_rejected_job_says_why(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, job(kind="nope")) as admin:
        shown = await admin.get("/admin/pollers/inbox")
        refused = await admin.refused(409, "POST", "/admin/pollers/inbox/run")
    assert "nope" in shown["problems"][0]
    assert "it was rejected" in refused["error"]


async def test_a_run_by_hand_commits_and_sends(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        ran = await admin.post("/admin/pollers/inbox/run")
        await admin.wait_for_job(pending_messages=0)
        assert admin.daemon.texts() == ["1"]
    assert {"ok": True, "items_seen": 0, "items_dispatched": 0, "deliveries": 1}.items() <= ran.items()


async def test_a_dry_run_shows_what_would_be_sent_and_leaves_no_trace(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        before = await admin.get("/admin/pollers/inbox")
        ran = await admin.post("/admin/pollers/inbox/run?dry_run=true")
        assert await admin.get("/admin/pollers/inbox") == before
        assert admin.daemon.texts() == []
    assert ran["ok"] is True
    assert ran["messages"] == [
        {"topic": "plugin.outbound.telegram", "payload": {"text": "1", "to": "1194292426"}, "not_before_ms": None}
    ]


async def test_a_failed_tick_is_a_failed_request(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, act=failing) as admin:
        said = await admin.refused(400, "POST", "/admin/pollers/inbox/run")
        dry = await admin.refused(400, "POST", "/admin/pollers/inbox/run?dry_run=true")
    assert said["error"] == dry["error"] == "the server is away"
    assert said["status"] == "transient"


async def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    began, end = trio.Event(), trio.Event()

    async def slow(_: PollContext[Any]) -> TickAck:
        began.set()
        await end.wait()
        return TickAck()

    async with admin_daemon(tmp_path, act=slow) as admin, trio.open_nursery() as nursery:
        nursery.start_soon(admin.post, "/admin/pollers/inbox/run")
        await began.wait()
        said = await admin.refused(409, "POST", "/admin/pollers/inbox/run")
        end.set()
    assert "run by hand already" in said["error"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "paused by the operator"),
        ({}, "paused by the operator"),
        ({"reason": " "}, "paused by the operator"),
        ({"reason": "maintenance"}, "maintenance"),
        ({"reason": "maintenance", "by": "ana"}, "ana: maintenance"),
        ({"by": "ana"}, "ana"),
    ],
)
async def test_a_pause_keeps_who_and_why(tmp_path: Path, body: Any, reason: str) -> None:
    async with admin_daemon(tmp_path, job()) as admin:
        await admin.wait_for_job(last_status="ok")
        assert await admin.post("/admin/pollers/inbox/pause", body) == {"ok": True, "paused": True, "changed": True}
        paused = await admin.get("/admin/pollers/inbox")
        assert await admin.post("/admin/pollers/inbox/resume") == {"ok": True, "paused": False, "changed": True}
        resumed = await admin.get("/admin/pollers/inbox")
    assert (paused["paused"], paused["pause_reason"]) == (True, reason)
    assert (resumed["paused"], resumed["pause_reason"]) == (False, None)


async def test_a_reset_starts_over(tmp_path: Path) -> None:
    script = Script(counting)
    async with admin_daemon(tmp_path, pollers=(script,)) as admin:
        await admin.post("/admin/pollers/inbox/run")
        assert await admin.post("/admin/pollers/inbox/reset") == {"ok": True, "reset": True}
        await admin.wait_for_job(paused=False, last_status="ok", pending_messages=0)
    assert script.cursors == [None, None]


async def test_history_is_newest_first_and_as_long_as_asked_for(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        for _ in range(3):
            await admin.post("/admin/pollers/inbox/run")
        ticks = await admin.get("/admin/pollers/inbox/history")
        two = await admin.get("/admin/pollers/inbox/history?limit=2")
        for limit in ("0", "1001", "-1", "1.5", "x", "", "9" * 19, "9" * 5000, "2&limit=2"):
            await admin.refused(400, "GET", f"/admin/pollers/inbox/history?limit={limit}")
    assert [tick["fence"] for tick in ticks] == [3, 2, 1]
    assert two == ticks[:2]
    assert {"status": "ok", "error": None, "messages": 1}.items() <= ticks[0].items()
    assert isinstance(ticks[0]["started_at_ms"], int)


async def test_a_cursor_is_read_and_replaced_in_base64_or_as_text(tmp_path: Path) -> None:
    path = "/admin/pollers/inbox/cursor"
    async with admin_daemon(tmp_path) as admin:
        nothing = await admin.get(path)
        assert (await admin.ask("PUT", path, json={"text": "41"}))["ok"] is True
        shown = await admin.get(path)
        await admin.post("/admin/pollers/inbox/run")
        moved = await admin.get(path)
        await admin.ask("PUT", path, json={"cursor": base64.b64encode(b"\xff\x00").decode()})
        binary = await admin.get(path)
        await admin.ask("PUT", path, json={"cursor": None})
        assert await admin.get(path) == nothing
    assert nothing == {"cursor": None, "text": None, "size": None, "digest": None}
    assert (shown["cursor"], shown["text"], shown["size"]) == ("NDE=", "41", 2)
    assert moved["text"] == "42"
    assert (binary["cursor"], binary["text"], binary["size"]) == ("/wA=", None, 2)


async def test_a_cursor_is_replaced_only_while_paused_and_only_by_what_it_may_be(tmp_path: Path) -> None:
    class Strict(Script):
        kind = "strict"

        def validate_cursor(self, cursor: bytes) -> None:
            if not cursor.isdigit():
                raise ConfigError("a cursor is a number")

    path = "/admin/pollers/strict/cursor"
    jobs = (evolve(PAUSED, id="strict", kind="strict"), job("awake"))
    async with admin_daemon(tmp_path, *jobs, pollers=(Strict(counting),)) as admin:
        running = await admin.refused(409, "PUT", "/admin/pollers/awake/cursor", json={"text": "1"})
        wrong = await admin.refused(400, "PUT", path, json={"text": "one"})
        wrong_bodies: list[Any] = [{}, {"cursor": "1"}, {"cursor": 1}, {"cursor": "MQ==", "text": "1"}, [], "x"]
        for body in wrong_bodies:
            await admin.refused(400, "PUT", path, json=body)
        await admin.refused(400, "PUT", path)
        half = {"content": b'{"text": "\\ud800"}', "headers": {"Content-Type": "application/json"}}
        assert "surrogate" in (await admin.refused(400, "PUT", path, **half))["error"]
        assert (await admin.get(path))["cursor"] is None
    assert "not paused" in running["error"]
    assert wrong["error"] == "a cursor is a number"
    assert wrong["problems"][0]["what"] == "a cursor is a number"


async def test_a_reload_says_what_it_would_do_and_then_does_it(tmp_path: Path) -> None:
    path = "/admin/pollers/reload"
    jobs = [evolve(PAUSED, id=job_id) for job_id in ("a", "b", "c")]
    async with admin_daemon(tmp_path, *jobs) as admin:
        config = admin.daemon.runner.config
        assert config is not None
        changed = evolve(jobs[1], agent="bob")
        admin.daemon.runner.source = lambda: evolve(config, jobs=(jobs[0], changed, evolve(PAUSED, id="d")))
        planned = await admin.post(f"{path}?dry_run=true")
        unchanged = await admin.get("/admin/pollers")
        done = await admin.post(path)
        after = await admin.get("/admin/pollers")
        nothing_left = await admin.post(path)
    assert planned == done == {"ok": True, "add": ["d"], "replace": ["b"], "remove": ["c"], "keep": ["a"]}
    assert [(found["id"], found["agent"]) for found in unchanged] == [("a", "ana"), ("b", "ana"), ("c", "ana")]
    assert sorted((found["id"], found["agent"]) for found in after) == [("a", "ana"), ("b", "bob"), ("d", "ana")]
    assert nothing_left == {"ok": True, "add": [], "replace": [], "remove": [], "keep": ["a", "b", "d"]}


@pytest.mark.parametrize("dry_run", ["", "?dry_run=true"])
async def test_a_configuration_that_is_wrong_changes_nothing_and_every_problem_is_told(
    tmp_path: Path, dry_run: str
) -> None:
    file = tmp_path / "pollers.yaml"
    file.write_text("pollers:\n  jobs:\n    - id: a\n    - id: b\n      kind: script\n")
    async with admin_daemon(tmp_path) as admin:
        admin.daemon.runner.source = lambda: load_config(file)
        before = await admin.get("/admin/pollers")
        said = await admin.refused(400, "POST", f"/admin/pollers/reload{dry_run}")
        assert await admin.get("/admin/pollers") == before
    assert {problem["job"] for problem in said["problems"]} == {"a", "b"}
    assert f"{file}:3:7" in said["error"]
    assert said["problems"][0].keys() == {"where", "job", "what", "remedy"}


async def refuse(_: Event) -> None:
    await trio.lowlevel.checkpoint()
    raise MessageRejected("no such chat")


async def test_a_message_on_its_way_is_shown_and_a_dead_one_is_replayed_or_deleted(tmp_path: Path) -> None:
    async def three(_: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(deliver=[text("a"), text("b"), text("c")])

    settings = Settings(max_delivery_attempts=1)
    async with admin_daemon(tmp_path, act=three, settings=settings) as admin:
        async with admin.daemon.runner.broker.handle("plugin.outbound.>", refuse):
            await admin.post("/admin/pollers/inbox/run")
            dead = await admin.until("/admin/dead-letters", lambda found: len(found) == 3)
        assert await admin.get("/admin/dead-letters?limit=1") == dead[:1]
        assert await admin.get(f"/admin/dead-letters?after={dead[0]['id']}") == dead[1:]
        first, second = dead[0]["id"], dead[1]["id"]
        admin.daemon.sent.clear()
        assert await admin.post(f"/admin/dead-letters/{first}/replay") == {"ok": True, "replayed": True}
        await admin.wait_for_job(pending_messages=0)
        assert [event.id for _, event in admin.daemon.sent] == [dead[0]["event_id"]]
        assert await admin.ask("DELETE", f"/admin/dead-letters/{second}") == {"ok": True, "deleted": 1}
        for gone in (first, second, 0, "x", "9" * 40):
            await admin.refused(404, "POST", f"/admin/dead-letters/{gone}/replay")
            await admin.refused(404, "DELETE", f"/admin/dead-letters/{gone}")
        assert await admin.ask("DELETE", "/admin/dead-letters") == {"ok": True, "deleted": 1}
        assert await admin.get("/admin/dead-letters") == []
    assert [letter["payload"]["text"] for letter in dead] == ["a", "b", "c"]
    assert {"job_id": "inbox", "attempts": 1, "topic": "plugin.outbound.telegram"}.items() <= dead[0].items()
    assert "no such chat" in dead[0]["error"]


async def test_the_outbox_is_shown_by_pages_and_by_job(tmp_path: Path) -> None:
    async def held_back(ctx: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(
            deliver=[text("long " * 9000 if ctx.job_id == "b" else "short", not_before=ctx.now.replace(year=2999))]
        )

    async with admin_daemon(tmp_path, evolve(PAUSED, id="a"), evolve(PAUSED, id="b"), act=held_back) as admin:
        for job_id in ("a", "b", "a"):
            await admin.post(f"/admin/pollers/{job_id}/run")
        waiting = await admin.get("/admin/outbox")
        assert await admin.get(f"/admin/outbox?after={waiting[0]['id']}&limit=1") == waiting[1:2]
        assert await admin.get("/admin/outbox?job=b") == waiting[1:2]
        await admin.refused(400, "GET", "/admin/outbox?after=-1")
    assert [message["job_id"] for message in waiting] == ["a", "b", "a"]
    assert waiting[0]["payload"] == {"text": "short", "to": "1194292426"}
    assert waiting[1]["payload"] is None
    assert waiting[1]["bytes"] > 45_000
    assert waiting[0]["not_before_ms"] > waiting[0]["created_at_ms"]


async def test_what_is_secret_is_masked(tmp_path: Path) -> None:
    async def telling(_: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(deliver=[text("see https://ana:hunter22@example.org/?key=0123456789")])

    async with admin_daemon(tmp_path, act=telling) as admin:
        dry = await admin.client.post("/admin/pollers/inbox/run?dry_run=true")
    assert "example.org" in dry.text
    assert "hunter22" not in dry.text
    assert "0123456789" not in dry.text


async def test_tools_are_listed_and_called_in_the_name_of_an_agent(tmp_path: Path) -> None:
    path = "/admin/tools/pollers_pause"
    async with admin_daemon(tmp_path, job()) as admin:
        tools = await admin.get("/admin/tools")
        called = await admin.post(path, {"agent_id": "ana", "arguments": {"id": "inbox", "reason": "noise"}})
        paused = await admin.get("/admin/pollers/inbox")
        spoofed = {"agent_id": "ana", "arguments": {"id": "inbox", "agent_id": "root"}}
        assert "agent_id" in (await admin.refused(400, "POST", path, json=spoofed))["error"]
        await admin.refused(400, "POST", path, json={"arguments": {"id": "inbox"}})
        await admin.refused(400, "POST", path, json={"agent_id": "ana", "arguments": {"id": 5}})
        await admin.refused(404, "POST", "/admin/tools/pollers_delete", json={"agent_id": "ana"})
    assert [tool["name"] for tool in tools][:2] == ["pollers_list", "pollers_show"]
    assert called == {"ok": True, "result": {"ok": True, "paused": True}}
    assert paused["pause_reason"] == "ana: noise"


async def test_metrics_are_what_prometheus_reads(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        await admin.post("/admin/pollers/inbox/run")
        scraped = await admin.client.get("/metrics")
    assert scraped.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(scraped.text)}
    assert families["poller_ticks"].samples[0].labels["job_id"] == "inbox"


async def test_health_is_for_anybody_and_readiness_for_a_runner_that_serves(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        assert await admin.get("/healthz") == {"ok": True}
        assert await admin.get("/readyz") == {"ok": True}
        await admin.daemon.runner.shutdown()
        assert await admin.get("/healthz") == {"ok": True}
        assert "does not serve" in (await admin.refused(503, "GET", "/readyz"))["error"]
        await admin.refused(503, "GET", "/admin/pollers")
        await admin.refused(503, "POST", "/admin/pollers/inbox/run")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", f"/admin/pollers/nope{rest}") for rest in ("", "/history", "/cursor")),
        *(
            ("POST", f"/admin/pollers/nope/{action}")
            for action in ("run", "run?dry_run=true", "pause", "resume", "reset")
        ),
    ],
)
async def test_a_job_that_is_not_there_is_not_found_and_a_near_one_is_named(
    tmp_path: Path, method: str, path: str
) -> None:
    async with admin_daemon(tmp_path) as admin:
        assert "there is no job 'nope'" in (await admin.refused(404, method, path))["error"]
        near = await admin.refused(404, method, path.replace("nope", "inbux"))
    assert "did you mean 'inbox'?" in near["error"]


@pytest.mark.parametrize(
    "path", ["/nope", "/admin", "/admin/", "/admin/nope", "/admin/pollers/", "/admin/pollers/a/b/c"]
)
async def test_where_there_is_nothing_it_is_said_so(tmp_path: Path, path: str) -> None:
    async with admin_daemon(tmp_path) as admin:
        await admin.refused(404, "GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/admin/pollers", "GET"),
        ("GET", "/admin/pollers/inbox/run", "POST"),
        ("POST", "/admin/pollers/inbox/cursor", "GET, PUT"),
        ("OPTIONS", "/admin/pollers", "GET"),
        ("HEAD", "/admin/pollers/inbox/reset", "POST"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_refused(
    tmp_path: Path, method: str, path: str, allowed: str
) -> None:
    async with admin_daemon(tmp_path) as admin:
        answer = await admin.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("query", ["dryrun=true", "dry_run=yes", "dry_run=1", "dry_run", "dry_run=true&dry_run=true"])
async def test_a_parameter_that_is_not_understood_runs_nothing(tmp_path: Path, query: str) -> None:
    async with admin_daemon(tmp_path) as admin:
        await admin.refused(400, "POST", f"/admin/pollers/inbox/run?{query}")
        assert (await admin.get("/admin/pollers/inbox"))["last_run_at_ms"] is None


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b'{"reason": NaN}',
        b"\xff",
        b"[" * 100_000,
        b'{"reason": 5}',
        b'{"why": "x"}',
    ],
)
async def test_a_body_that_is_not_understood_changes_nothing(tmp_path: Path, content: bytes) -> None:
    async with admin_daemon(tmp_path, job()) as admin:
        json = {"Content-Type": "application/json"}
        await admin.refused(400, "POST", "/admin/pollers/inbox/pause", content=content, headers=json)
        assert (await admin.get("/admin/pollers/inbox"))["paused"] is False


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/admin/pollers/inbox/pause", b'{"reason": "\\ud800x"}'),
        ("POST", "/admin/pollers/inbox/pause", b'{"reason": "\xed\xa0\x80"}'),
        ("POST", "/admin/pollers/inbox/pause", b'{"\\udfff": 1}'),
        ("PUT", "/admin/pollers/inbox/cursor", b'{"text": "\\udfff"}'),
        ("POST", "/admin/tools/pollers_run", b'{"agent_id": "\\ud800", "arguments": {"id": "inbox"}}'),
        ("POST", "/admin/tools/pollers_show", b'{"agent_id": "ana", "arguments": {"id": ["\\ud800"]}}'),
        ("POST", "/admin/session", b'{"token": "\\ud800"}'),
    ],
)
async def test_half_of_a_surrogate_pair_is_refused_wherever_it_stands(
    tmp_path: Path, method: str, path: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with admin_daemon(tmp_path) as admin:
        said = await admin.refused(400, method, path, content=content, headers={"Content-Type": "application/json"})
    assert "half of a surrogate pair" in said["error"]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_pair_of_surrogates_is_a_character(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path, job()) as admin:
        escaped = b'{"reason": "\\ud83c\\udf75"}'
        json = {"Content-Type": "application/json"}
        await admin.ask("POST", "/admin/pollers/inbox/pause", content=escaped, headers=json)
        assert "\N{TEACUP WITHOUT HANDLE}" in (await admin.get("/admin/pollers/inbox"))["pause_reason"]


@pytest.mark.parametrize("reason", ["x" * 900_000, [["x" * 300_000] * 3]], ids=["text", "nested"])
async def test_a_refusal_does_not_send_back_all_that_was_sent(tmp_path: Path, reason: Any) -> None:
    async with admin_daemon(tmp_path) as admin:
        said = await admin.refused(400, "POST", "/admin/pollers/inbox/pause", json={"reason": reason})
    assert said["error"].startswith("the body is wrong: $.reason: ")
    assert len(said["error"]) < 300


async def test_an_error_that_nobody_foresaw_is_logged_and_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with admin_daemon(tmp_path) as admin:
        admin.daemon.runner._pollers.clear()
        admin.daemon.runner._pollers["broken"] = None  # type: ignore[assignment]
        answer = await admin.client.get("/admin/tools")
    assert answer.status_code == 500
    assert answer.json() == {"ok": False, "error": "this is an error in the daemon; its log says more"}
    assert "AttributeError" in caplog.text


async def test_answers_are_not_kept_and_pages_may_do_little(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        answers = [
            await admin.client.get("/admin/pollers"),
            await admin.client.get("/nope"),
            await admin.client.get("/admin/pollers", headers={"Host": "evil.example"}),
            await admin.client.request("FOO", "/admin/pollers"),
        ]
    assert [answer.status_code for answer in answers] == [200, 404, 403, 405]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "server" not in answer.headers


async def test_a_job_without_success_for_too_long_is_shown_to_programs_and_to_people(tmp_path: Path) -> None:
    jobs = (job(stale_after=timedelta(milliseconds=1)), job("patient", stale_after=timedelta(days=1)), job("plain"))
    async with admin_daemon(tmp_path, *jobs) as admin:
        await admin.wait_for_job(last_status="ok", stale=True)
        listed = await admin.get("/admin/pollers")
        assert [found["stale"] for found in listed] == [True, False, False]
        details = [await admin.get(f"/admin/pollers/{found['id']}") for found in listed]
        assert [found["stale_after_ms"] for found in details] == [1, 86_400_000, None]
        assert "no success for too long" in (await admin.client.get("/")).text
        assert "it has had no success for" in (await admin.client.get("/jobs/inbox")).text
        assert "Stale" not in (await admin.client.get("/jobs/plain")).text
