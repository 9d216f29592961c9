import gc
import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from attrs import evolve
from daemon import daemon, job
from programs import MARK, WAYS_OUT, Programs, descriptors, impolite, zombies

from nexo_poller.errors import ConfigError, PermanentError, PluginPollerForwardError, TransientError
from nexo_poller.plugins.ephemeral import EphemeralPollerProxy, spawn_ephemeral_tick
from nexo_poller.plugins.lines import LONGEST_LINE
from nexo_poller.plugins.router import Entrypoint, PluginPollerHandle
from nexo_poller.plugins.ticks import TickReply, TickRequest
from nexo_poller.poller import TickMetrics

MB = 2**20
SOON = 30.0
REPLY = '{"id": 1, "result": {"next_cursor": "Nw", "metrics": {"items_seen": 7}}}'
EXPECTED = TickReply(next_cursor="Nw", metrics=TickMetrics(items_seen=7))
SAY = f"printf '%s\\n' '{REPLY}'; "
LISTEN = "read request; "
REQUEST = TickRequest(
    kind="lamps",
    job_id="inbox",
    agent_id="ana",
    cursor="Ng",
    config={"room": "käfig"},
    now="2026-04-26T15:00:00Z",
    interval_hint_secs=60,
)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def handle(entrypoint: Entrypoint | None, **changes: Any) -> PluginPollerHandle:
    fields: Mapping[str, Any] = {"tick_timeout": timedelta(seconds=SOON), **changes}
    return PluginPollerHandle(
        plugin_id="lamps-plugin",
        kinds=("lamps",),
        broker_topic_prefix="plugin.lamps",
        lifecycle="ephemeral",
        entrypoint=entrypoint,
        **fields,
    )


async def tick(entrypoint: Entrypoint, request: TickRequest = REQUEST, **changes: Any) -> TickReply:
    return await spawn_ephemeral_tick(handle(entrypoint, **changes), request, {})


async def fault(entrypoint: Entrypoint, request: TickRequest = REQUEST, **changes: Any) -> str:
    with pytest.raises(PluginPollerForwardError) as caught:
        await tick(entrypoint, request, **changes)
    return str(caught.value)


async def test_it_gets_one_line_and_then_the_end_of_its_stdin(programs: Programs) -> None:
    assert await tick(programs.sh(f"cat > request; {SAY}")) == EXPECTED
    [line] = (programs.folder / "request").read_text().splitlines()
    assert json.loads(line) == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "poll_tick",
        "params": {
            "kind": "lamps",
            "job_id": "inbox",
            "agent_id": "ana",
            "cursor": "Ng",
            "config": {"room": "käfig"},
            "now": "2026-04-26T15:00:00Z",
            "interval_hint_secs": 60,
        },
    }


async def test_it_is_told_that_it_lives_for_one_tick_and_who_it_is(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "hunter2")
    entrypoint = programs.sh(f"env -u PWD > env; {SAY}")
    await spawn_ephemeral_tick(handle(entrypoint), REQUEST, {"NEXO_BROKER_URL": "nats://127.0.0.1:4222"})
    there = dict(line.split("=", 1) for line in (programs.folder / "env").read_text().splitlines())
    assert there.keys() - {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "_"} == {
        MARK,
        "NEXO_BROKER_URL",
        "NEXO_POLLER_EPHEMERAL",
        "NEXO_POLLER_PLUGIN_ID",
    }
    assert (there["NEXO_POLLER_EPHEMERAL"], there["NEXO_POLLER_PLUGIN_ID"]) == ("1", "lamps-plugin")


@pytest.mark.parametrize(
    "script",
    {
        "exit 1 after the reply": SAY + "exit 1",
        "killed after the reply": SAY + "kill -9 $$",
        "without a newline": f"printf '%s' '{REPLY}'",
        "padded": f"printf '  %s  \\r\\n' '{REPLY}'",
        "twice": SAY + SAY,
        "by a wrong id": SAY.replace('"id": 1', '"id": 99'),
        "first of two": SAY + """printf '{"error": {"code": -32002, "message": "no"}}\\n'""",
        "after garbage": f"echo Starting...; printf '\\377\\n\\n[1]\\n\"reply\"\\n'; {SAY}",
        "before garbage": SAY + "echo bye; printf '{'",
        "before a gigabyte of garbage": SAY + "head -c 1G /dev/zero; exit 0",
        "stdin never read": SAY,
        "stdout closed after the reply": f"{SAY} exec 1>&-",
        "a flood on stderr": f"seq 100000 >&2; {SAY} seq 100000 >&2",
        "a gigabyte on stderr": f"(head -c 1G /dev/zero >&2) & sleep 0.1; {SAY}",
    }.items(),
    ids=lambda case: case[0],
)
async def test_a_well_formed_reply_counts_whatever_else_happens(programs: Programs, script: tuple[str, str]) -> None:
    assert await tick(programs.sh(LISTEN + script[1])) == EXPECTED
    assert programs.processes() == []


@pytest.mark.parametrize("way_out", WAYS_OUT)
async def test_a_reply_counts_though_a_child_keeps_the_pipe_open(programs: Programs, way_out: str) -> None:
    source = impolite(WAYS_OUT[way_out], then=f"print('''{REPLY}'''); sys.exit(0)")
    assert await tick(programs.python(source)) == EXPECTED
    assert programs.processes() == []


@pytest.mark.parametrize("way_out", WAYS_OUT)
async def test_what_does_not_exit_after_its_reply_is_killed(programs: Programs, way_out: str) -> None:
    source = impolite(WAYS_OUT[way_out], then=f"print('''{REPLY}''', flush=True); time.sleep(1_000)")
    assert await tick(programs.python(source)) == EXPECTED
    assert programs.processes() == []


async def test_it_has_two_seconds_to_exit_after_its_reply(programs: Programs) -> None:
    assert await tick(programs.sh(f"{LISTEN} {SAY} exec 1>&-; sleep 1; touch saved")) == EXPECTED
    assert (programs.folder / "saved").exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", "no reply: exit status 0"),
        ("exit 1", "no reply: exit status 1"),
        ("echo one >&2; echo Boom. >&2; exit 3", "no reply: exit status 3; stderr: one | Boom."),
        ("kill -SEGV $$", "no reply: ended by signal 11 (Segmentation fault)"),
        ("exec 1>&-; exec sleep 1000", "no reply: it still runs"),
        ("echo nonsense", "no reply (its stdout is none: Expecting value: line 1 column 1 (char 0)): exit status 0"),
        (
            """printf '{"result": {"next_cur'; exit 2""",
            "no reply (its stdout is none: Unterminated string starting at: line 1 column 13 (char 12)): exit status 2",
        ),
        (
            r"printf '\377\n'",
            "no reply (its stdout is none: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte): exit status 0",
        ),
        (
            "head -c 100000 /dev/zero | tr '\\0' '['",
            "no reply (its stdout is none: it is nested too deeply): exit status 0",
        ),
        ("echo '{}'", "its reply has neither `result` nor `error`"),
        ("""echo '{"next_cursor": "Nw"}'""", "its reply has neither `result` nor `error`"),
        (
            """echo '{"result": {"next_cursor": "!!!!"}}'""",
            "`result.next_cursor` is no URL-safe base64 (- and _, not + and /)",
        ),
    ],
)
async def test_what_is_no_reply_is_a_transient_error_with_its_reason(
    programs: Programs, script: str, said: str
) -> None:
    assert await fault(programs.sh(LISTEN + script)) == f"plugin 'lamps-plugin': {said}"
    assert programs.processes() == []


async def test_deep_nesting_that_is_balanced_is_no_reply_either(programs: Programs) -> None:
    deep = """print('{"result": ' + '[' * 100_000 + ']' * 100_000 + '}')"""
    assert "it is nested too deeply" in await fault(programs.python(deep))


async def test_a_gigabyte_without_a_newline_is_no_reply(programs: Programs) -> None:
    before = psutil.Process().memory_info().rss
    assert await fault(programs.sh("echo Oh. >&2; exec head -c 1G /dev/zero")) == (
        f"plugin 'lamps-plugin': it wrote a line of more than {LONGEST_LINE:,} bytes; stderr: Oh."
    )
    assert psutil.Process().memory_info().rss - before < 64 * MB
    assert programs.processes() == []


@pytest.mark.parametrize("script", ["yes", "yes ''"])
async def test_a_flood_of_lines_is_no_reply(programs: Programs, script: str) -> None:
    reason = "its stdout is none: Expecting value: line 1 column 1 (char 0)"
    assert await fault(programs.sh(f"exec {script}")) == f"plugin 'lamps-plugin': no reply ({reason}): it still runs"
    assert programs.processes() == []


@pytest.mark.parametrize("way_out", WAYS_OUT)
async def test_no_reply_is_told_though_a_child_keeps_the_pipe_open(programs: Programs, way_out: str) -> None:
    said = await fault(programs.python(impolite(WAYS_OUT[way_out], then="sys.exit(5)")))
    assert said.startswith("plugin 'lamps-plugin': no reply (")
    assert said.endswith(": exit status 5")
    assert programs.processes() == []


@pytest.mark.parametrize("config", [{}, {"large": "x" * 3 * MB}], ids=["small", "huge"])
async def test_who_neither_reads_nor_replies_is_killed_when_its_time_is_over(
    programs: Programs, config: Mapping[str, Any]
) -> None:
    source = impolite("os.setsid()").replace('print("ready"', 'print("Waiting.", file=sys.stderr')
    request = evolve(REQUEST, config=config)
    said = await fault(programs.python(source), request, tick_timeout=timedelta(seconds=1))
    assert said == "plugin 'lamps-plugin': no reply within 1 s; stderr: Waiting."
    assert programs.processes() == []


async def test_a_huge_request_arrives_whole_though_the_reply_is_as_huge(programs: Programs) -> None:
    """Neither end waits for the other to read first."""
    echo = """import json, sys
text = sys.stdin.readline()
print(json.dumps({"result": {"deliver": [{"channel": "c", "recipient": "r", "payload": json.loads(text)}]}}))"""
    config = {"large": "x" * 3 * MB}
    reply = await tick(programs.python(echo), evolve(REQUEST, config=config))
    assert reply.deliver[0].payload["params"]["config"] == config


async def test_a_reply_counts_though_stdin_was_closed_unread(programs: Programs) -> None:
    request = evolve(REQUEST, config={"large": "x" * 3 * MB})
    assert await tick(programs.sh(f"exec 0<&-; {SAY}"), request) == EXPECTED


@pytest.mark.parametrize("command", ["vanished", "not-executable"])
async def test_a_command_that_cannot_be_run_is_a_transient_error_that_names_it(
    programs: Programs, command: str
) -> None:
    (programs.folder / "not-executable").touch()
    path = str(programs.folder / command)
    assert f"no reply: exit status 127; stderr: cannot run '{path}'" in await fault(programs.entrypoint(path))


async def test_without_an_entrypoint_there_is_nothing_to_run() -> None:
    with pytest.raises(PluginPollerForwardError, match="no entrypoint"):
        await spawn_ephemeral_tick(handle(None), REQUEST, {})


@pytest.mark.parametrize(
    ("code", "kind"), [(-32001, TransientError), (-32002, PermanentError), (-32602, ConfigError), (7, TransientError)]
)
async def test_the_plugins_own_error_counts_as_such(programs: Programs, code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="no such room"):
        await tick(programs.sh(f"""echo '{{"error": {{"code": {code}, "message": "no such room"}}}}'; exit 1"""))


async def test_a_cancelled_tick_leaves_nothing(programs: Programs) -> None:
    open_before = descriptors()
    marker = programs.folder / "here"
    source = impolite("os.setsid()", then=f"open({str(marker)!r}, 'w').close(); time.sleep(1_000)")
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick, programs.python(source))
            while not marker.exists():  # noqa: ASYNC110 - another process makes it
                await trio.sleep(0.01)
            scope.cancel()
    assert (programs.processes(), zombies(), descriptors()) == ([], [], open_before)


async def test_five_hundred_ticks_leak_nothing(programs: Programs) -> None:
    plugin = handle(programs.sh(LISTEN + SAY))

    async def ticks(n: int) -> None:
        for _ in range(n):
            assert await spawn_ephemeral_tick(plugin, REQUEST, {}) == EXPECTED

    async def in_fours(n: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ticks, n // 4)

    await in_fours(40)
    gc.collect()
    opened, memory = descriptors(), psutil.Process().memory_info().rss
    await in_fours(500)
    gc.collect()
    assert (programs.processes(), zombies(), descriptors()) == ([], [], opened)
    assert psutil.Process().memory_info().rss - memory < 8 * MB


def proxy(entrypoint: Entrypoint, **changes: Any) -> EphemeralPollerProxy:
    one = handle(entrypoint, **changes)
    return EphemeralPollerProxy(handle=one, kind="lamps", places=trio.CapacityLimiter(one.max_concurrent_ticks))


async def test_to_a_runner_it_is_a_poller_like_any(programs: Programs, tmp_path: Path) -> None:
    echo = """import json, sys
request = json.loads(sys.stdin.readline())["params"]
delivery = {"channel": "telegram", "recipient": "7", "payload": request["config"]["room"]}
print(json.dumps({"id": 1, "result": {"next_cursor": "_w", "deliver": [delivery]}}))"""
    lamps = job(kind="lamps", config={"room": "kitchen"})
    async with daemon(tmp_path, lamps, pollers=(proxy(programs.python(echo)),)) as running:
        with trio.fail_after(SOON):
            report = await running.runner.run_once("inbox")
            while not running.sent:  # noqa: ASYNC110 - the relay sends them
                await trio.sleep(0.01)
        assert report.error is None
        assert running.texts()[0] == "kitchen"
        assert await running.runner.cursor("inbox") == b"\xff"


async def test_its_stderr_is_in_the_error_and_in_the_jobs_log_but_no_secret_of_the_job_is(
    programs: Programs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tell = "import sys; print('Bad key:', 'hunter2-of-ana', file=sys.stderr); sys.exit(1)"
    lamps = job(kind="lamps", config={"room": "kitchen"})
    pollers = (proxy(programs.python(tell)),)
    async with daemon(tmp_path, lamps, pollers=pollers, secrets=["hunter2-of-ana"]) as running:
        with trio.fail_after(SOON):
            report = await running.runner.run_once("inbox")
    assert report.error == "plugin 'lamps-plugin': no reply: exit status 1; stderr: Bad key: ***"
    [record] = [record for record in caplog.records if record.message == "Bad key: ***"]
    assert vars(record)["fields"] == {"job_id": "inbox", "kind": "lamps", "plugin": "lamps-plugin"}
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("most", [1, 3])
async def test_no_more_of_its_ticks_run_at_once_than_it_takes(programs: Programs, tmp_path: Path, most: int) -> None:
    count = "mkdir running.$$; ls -d running.* | wc -l >> counts; sleep 0.1; rmdir running.$$; "
    plugin = proxy(programs.sh(LISTEN + count + SAY), max_concurrent_ticks=most)
    jobs = [job(f"inbox-{n}", kind="lamps", config={}) for n in range(6)]
    async with daemon(tmp_path, *jobs, pollers=(plugin,)) as running, trio.open_nursery() as nursery:
        for one in jobs:
            nursery.start_soon(running.runner.run_once, one.id)
    counts = [int(line) for line in (programs.folder / "counts").read_text().split()]
    assert len(counts) >= 6
    assert max(counts) <= most
