"""Plugins that live as long as the runner, as it sees them: through real ticks of real programs."""

import json
from pathlib import Path

import pytest
import trio
from acting import act, acting, actor
from ticking import RecordingHost

from nexo_poller.plugins.router import handle_of
from nexo_poller.plugins.stdio import StdioTransport
from nexo_poller.plugins.ticks import TickRequest


async def test_a_tick_goes_there_and_its_reply_is_committed_like_any(tmp_path: Path) -> None:
    script = """
assert tick["kind"] == "act" and tick["job_id"] == "inbox" and tick["agent_id"] == "ana"
n = {None: 1, "AQ": 2}[tick["cursor"]]
reply(next_cursor={1: "AQ", 2: "_w=="}[n], metrics={"items_seen": 3, "items_dispatched": 1},
      deliver=[{"channel": "telegram", "recipient": "7", "payload": n}])
"""
    async with acting(tmp_path, act(script)) as running:
        report = await running.run()
        assert (report.error, report.items_seen, report.items_dispatched) == (None, 3, 1)
        assert (await running.run()).error is None
        assert await running.payloads(2) == [{"text": 1, "to": "7"}, {"text": 2, "to": "7"}]
        assert await running.runner.cursor("inbox") == b"\xff"


async def test_a_dry_run_is_told_to_the_plugin_and_sends_and_keeps_nothing(tmp_path: Path) -> None:
    script = """
say(method="broker_publish", params={"topic": "plugin.note", "payload": "published"})
reply(next_cursor="AQ", deliver=[{"channel": "telegram", "recipient": "7", "payload": {"dry": tick.get("dry_run")}}])
"""
    async with acting(tmp_path, act(script), plugins=(actor(tmp_path, publish=("plugin.note",)),)) as running:
        dry = await running.runner.dry_run("inbox")
        outgoing = [json.loads(one.message.body)["payload"] for one in dry.outgoing]
        assert await running.runner.cursor("inbox") is None
        assert (await running.run()).error is None
        assert sorted(await running.payloads(2), key=str) == ["published", {"dry": None, "to": "7"}]
    assert (dry.error, dry.cursor_after) == (None, b"\1")
    assert sorted(outgoing, key=str) == ["published", {"dry": True, "to": "7"}]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("say(id=call)", "its reply has neither `result` nor `error`"),
        ("say(id=call, result=None)", "`result` is missing, and must be an object"),
        ("say(id=call, result=[])", "`result` must be an object, not an array"),
        ("reply(next_cursor=7)", "`result.next_cursor` must be a string, not a number"),
        ("reply(next_cursor='!!!!')", "`result.next_cursor` is no URL-safe base64 (- and _, not + and /)"),
        ("reply(metrics={'items_seen': '3'})", "`result.metrics.items_seen` must be a whole number, not a string"),
        ("reply(deliver=[{'channel': 'telegram'}])", "`result.deliver[0].payload` is missing"),
        ("say(id=call, error='no')", "`error` must be an object, not a string"),
        ("say(id=call, error={'message': 'no'})", "`error.code` is missing, and must be a whole number"),
    ],
)
async def test_a_reply_that_is_none_is_a_transient_error_that_names_plugin_and_member(
    tmp_path: Path, script: str, error: str
) -> None:
    async with acting(tmp_path, act(script)) as running:
        report = await running.run()
        assert report.status == "transient"
        assert report.error == f"plugin 'acme': {error}"
        assert await running.runner.cursor("inbox") is None


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        (-32001, "transient", "no luck"),
        (-32002, "permanent", "no luck"),
        (-32602, "permanent", "no luck"),
        (-32601, "transient", "plugin 'acme' answered with code -32601: no luck"),
        (-1, "transient", "plugin 'acme' answered with code -1: no luck"),
    ],
)
async def test_an_error_of_the_plugins_is_what_its_code_says(
    tmp_path: Path, code: int, status: str, error: str
) -> None:
    async with acting(tmp_path, act(f"say(id=call, error={{'code': {code}, 'message': 'no luck'}})")) as running:
        report = await running.run()
        assert (report.status, report.error) == (status, error)


HARMLESS = {
    "garbage": r"raw(b'Loading...\n\x00\x01\n[]\n7\nnull\n'); reply()",
    "empty lines": r"raw(b'\n  \n'); reply()",
    "invalid UTF-8": r"""raw(b'{"id": %d, "result": "\xff\xfe"}\n' % call); reply()""",
    "deep nesting": r"raw(b'[' * 200_000 + b'\n' + b'{\"id\": ' * 200_000 + b'\n'); reply()",
    "no id": "say(result={})",
    "no id, and null as one": "say(id=None, result={})",
    "an id with a fraction of nothing": "say(id=float(call), result={})",
    "no JSON-RPC": "say(id=call, result={}, extra=[1])",
    "a wrong id, of each type": "[say(id=one, result=7) for one in (True, 1.5, 'x', [], {}, 10**30)]; reply()",
    "a reply twice": "reply(); reply(next_cursor='AQ')",
    "a log in JSON": "say(level='info', message='a tick'); reply()",
    "a method that is none": "say(method=7); say(method={}, id=1); reply()",
    "in pieces": r"""raw(b'{"id": %d, "re' % call); time.sleep(0.1); raw(b'sult": {}}\n')""",
    "a flood on stderr": "[print('x' * 1_000, file=sys.stderr) for _ in range(10_000)]; reply()",
    "with Windows' line ends": r"""raw(b'{"id": %d, "result": {}}\r\n' % call)""",
}


@pytest.mark.parametrize("script", HARMLESS.values(), ids=HARMLESS.keys())
async def test_what_is_no_reply_is_passed_over(tmp_path: Path, script: str) -> None:
    async with acting(tmp_path, act(script), act(id="next")) as running:
        assert await running.error() == "None"
        assert await running.runner.cursor("inbox") is None
        assert await running.error("next") == "None"


@pytest.mark.parametrize("call_id", ["1e999", "[" * 400 + "]" * 400, "{}"])
async def test_a_call_by_an_id_that_none_can_have_is_answered_and_harms_nobody(tmp_path: Path, call_id: str) -> None:
    ask = f"""raw(b'{{"method": "log", "id": {call_id}}}\\n'); error = hear(); reply() if error["id"] is None else 1 / 0"""
    async with acting(tmp_path, act(ask), act(id="next")) as running:
        assert await running.error() == "None"
        assert await running.error("next") == "None"


async def test_a_reply_to_an_old_id_is_not_that_of_the_tick(tmp_path: Path) -> None:
    first, second = "open('old', 'w').write(str(call)); reply()", "say(id=int(open('old').read()), result=7); reply()"
    async with acting(tmp_path, act(first), act(second, id="next")) as running:
        assert await running.error() == "None"
        assert await running.error("next") == "None"


FATAL = {
    "exit before the reply": ("sys.exit(3)", "it closed its stdout; exit status 3"),
    "a crash": ("print('one\\ntwo', file=sys.stderr); 1 / 0", "it closed its stdout; exit status 1; stderr: "),
    "a signal": ("os.kill(os.getpid(), 9)", "it closed its stdout; ended by signal 9 (Killed)"),
    "half a line": (r"raw(b'{\"id\": 1, \"res'); sys.exit(0)", "it closed its stdout; exit status 0"),
    "a child that keeps the pipes open": (
        "os.fork() and os._exit(3); time.sleep(600)",
        "it closed its stdout; exit status 3",
    ),
    "too long a line": ("raw(b'x' * 5 * 2**20)", "it wrote a line of more than 4,194,304 bytes; "),
    "no stdout any more": ("os.close(1); time.sleep(60)", "it closed its stdout; ended by signal 15 (Terminated)"),
}


@pytest.mark.parametrize(("script", "error"), FATAL.values(), ids=FATAL.keys())
async def test_the_end_of_a_process_is_a_transient_error_of_its_ticks_and_it_comes_back(
    tmp_path: Path, script: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with acting(tmp_path, act(script), act(id="next")) as running:
        report = await running.run()
        assert report.status == "transient"
        assert str(report.error).startswith(f"plugin 'acme': {error}")
        assert await running.error("next") == "None"
    assert f"plugin 'acme': the plugin has ended: {error}" in caplog.text


async def test_of_a_crash_the_last_32_lines_of_stderr_are_logged_and_the_last_of_them_in_the_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = "[print('line', n, file=sys.stderr) for n in range(100)]; sys.exit(1)"
    async with acting(tmp_path, act(script)) as running:
        assert "line 98 | line 99" in await running.error()
    [record] = [record for record in caplog.records if "has ended" in record.message]
    assert vars(record)["fields"]["stderr"] == [f"line {n}" for n in range(68, 100)]


async def test_a_reply_before_the_end_counts_and_so_does_what_was_published_before_it(tmp_path: Path) -> None:
    script = """
for n in range(20):
    say(method="broker_publish", params={"topic": "plugin.note", "payload": n})
reply(next_cursor="AQ")
sys.exit(1)
"""
    async with acting(tmp_path, act(script), plugins=(actor(tmp_path, publish=("plugin.note",)),)) as running:
        assert await running.error() == "None"
        assert await running.runner.cursor("inbox") == b"\1"
        assert await running.payloads(20) == [*range(20)]


async def test_a_process_that_closes_its_stdin_is_replaced_when_somebody_has_something_to_say(tmp_path: Path) -> None:
    script = "reply(); os.close(0); time.sleep(60)"
    async with acting(tmp_path, act(script), act(id="next")) as running:
        assert await running.error() == "None"
        assert (await running.error("next")).startswith("plugin 'acme': it closed its stdin; ended by signal 15")
        assert await running.error("next") == "None"


async def test_a_process_that_crashes_at_every_start_fails_its_own_jobs_alone(tmp_path: Path) -> None:
    plugins = (
        actor(tmp_path, id="broken", env={"AT_START": "print('no config', file=sys.stderr); sys.exit(9)"}),
        actor(tmp_path, "well"),
    )
    async with acting(tmp_path, act(), act(id="next", kind="well"), plugins=plugins) as running:
        for _ in range(3):
            report = await running.run()
            assert report.status == "transient"
            assert "exit status 9; stderr: no config" in str(report.error)
            assert await running.error("next") == "None"
        assert "it is not running, and is started again in " in await running.error()


async def test_a_plugin_that_cannot_be_started_says_so_in_its_ticks(tmp_path: Path) -> None:
    async with acting(tmp_path, plugins=(actor(tmp_path, command="/no/such/program"),)) as running:
        assert "cannot run '/no/such/program'" in await running.error()


async def test_a_plugin_for_which_there_is_no_process_says_so_in_the_log_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with acting(tmp_path, plugins=(actor(tmp_path, args=("\0",)),)) as running:
        assert "cannot be started: embedded null byte" in caplog.text
        assert "cannot be started: embedded null byte" in await running.error()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("7", "`initialize` must be an object, not a number"),
        ('{"version": "1"}', "`initialize.name` is missing, and must be a string"),
        ('{"name": "a", "version": 1}', "`initialize.version` must be a string, not a number"),
        ('{"name": "a", "version": "1", "capabilities": {"pollers": "act"}}', "`initialize.capabilities.pollers` must"),
        (
            '{"name": "a", "version": "1", "capabilities": {"pollers": ["rss"]}}',
            "its manifest promises the kinds act, of which `initialize` says nothing",
        ),
    ],
)
async def test_a_plugin_that_is_not_what_its_manifest_says_gets_no_ticks(tmp_path: Path, said: str, error: str) -> None:
    async with acting(tmp_path, plugins=(actor(tmp_path, env={"INITIALIZE": said}),)) as running:
        assert error in await running.error()


class Nothing:
    """The services of a runner without jobs."""

    def __init__(self) -> None:
        self.own = SlowHost()

    def agents(self) -> set[str]:
        return set()

    def host(self, agent_id: str | None = None) -> "SlowHost":
        return self.own


class SlowHost(RecordingHost):
    """A host that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[bytes] = []

    async def broker_publish(self, topic: str, payload: bytes) -> None:
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        self.published.append(payload)


async def test_a_tick_waits_for_all_that_was_published_before_its_reply(tmp_path: Path) -> None:
    handle = handle_of(actor(tmp_path, publish=("plugin.note",)))
    transport, host = StdioTransport(handle, trio.CapacityLimiter(1)), SlowHost()
    script = """
for n in range(5):
    say(method="broker_publish", params={"topic": "plugin.note", "payload": n})
reply()
"""
    request = TickRequest(
        kind="act",
        job_id="inbox",
        agent_id="ana",
        cursor=None,
        config={"script": script},
        now="2026-03-01T12:00:00Z",
        interval_hint_secs=60,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(transport.run, Nothing())
        await transport.tick(request, host)
        assert host.published == [b"0", b"1", b"2", b"3", b"4"]
        nursery.cancel_scope.cancel()
