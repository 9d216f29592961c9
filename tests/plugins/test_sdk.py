import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from http_server import Response, http_server
from many_sided import ManySided
from speaking import MANY_SIDED, PATIENCE, Spoken, entrypoint, speaking, tick_params

from nexo_poller.errors import ConfigError, HostError, MethodNotFound, PermanentError, TransientError
from nexo_poller.plugins import serve
from nexo_poller.plugins.sdk.host import BrokerPollerHost


@pytest.fixture
async def plugin() -> AsyncIterator[Spoken]:
    async with speaking(entrypoint()) as plugin:
        yield plugin


def ephemeral(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "NEXO_POLLER_EPHEMERAL": "1", **env}
    return subprocess.run(
        [sys.executable, str(MANY_SIDED)],
        input=line,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_it_introduces_itself_by_the_manifest_in_its_folder(tmp_path: Path) -> None:
    program = tmp_path / "plugin.py"
    program.symlink_to(MANY_SIDED)
    tmp_path.joinpath("nexo-plugin.toml").write_text('[plugin]\nid = "another"\nversion = "1.2.3"\n')
    async with speaking(entrypoint(program)) as plugin:
        introduction = await plugin.call("initialize")
    assert introduction == {"name": "many-sided", "version": "1.2.3", "capabilities": {"pollers": ["many_sided"]}}


async def test_what_is_printed_goes_to_stderr_and_the_wire_stays_clean(plugin: Spoken) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(plugin.tick, "sleep")
            await plugin.said("asleep")
            assert await plugin.tick("nothing") == {"metrics": {"items_seen": 0, "items_dispatched": 0}}
            scope.cancel()


async def test_ticks_run_at_once(plugin: Spoken) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(plugin.tick, "sleep")
        async with plugin.heard:
            while plugin.stderr.count("asleep") < 2:
                await plugin.heard.wait()
        nursery.cancel_scope.cancel()


async def test_after_shutdown_it_ends_cleanly(plugin: Spoken) -> None:
    assert await plugin.call("shutdown") is None
    assert await plugin.child.wait() == 0
    assert plugin.stderr == ["the lifespan is over"]


async def test_at_the_end_of_its_stdin_it_ends_cleanly(plugin: Spoken) -> None:
    await plugin.tick("nothing")
    plugin.child.close_stdin()
    assert await plugin.child.wait() == 0
    assert plugin.stderr == ["the lifespan is over"]


@pytest.mark.parametrize("end", ["shutdown", "the end of stdin", "SIGTERM"])
async def test_a_tick_under_way_at_the_end_can_clean_up(plugin: Spoken, end: str) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(plugin.tick, "sleep")
        await plugin.said("asleep")
        match end:
            case "shutdown":
                await plugin.call("shutdown")
                assert await plugin.child.wait() == 0
            case "the end of stdin":
                plugin.child.close_stdin()
                assert await plugin.child.wait() == 0
            case _:
                assert await plugin.child.stop(grace=PATIENCE) == 0
        nursery.cancel_scope.cancel()
    assert plugin.stderr == ["asleep", "woken", "the lifespan is over"]


async def test_a_tick_that_nobody_waits_for_any_more_is_cancelled(tmp_path: Path) -> None:
    program = tmp_path / "plugin.py"
    program.symlink_to(MANY_SIDED)
    tmp_path.joinpath("nexo-plugin.toml").write_text("[plugin.poller]\ntick_timeout_secs = 1\n")
    async with speaking(entrypoint(program)) as plugin:
        with pytest.raises(TransientError, match="timed out after 1 s"):
            await plugin.tick("sleep")
        await plugin.said("woken")


@pytest.mark.parametrize(
    ("do", "error", "words"),
    [
        ("back off", TransientError, "not now"),
        ("give up", PermanentError, "never"),
        ("pile_up", PermanentError, "the worse"),
        ("misread", ConfigError, "this config will not do\nnor this"),
        ("stumble", TransientError, "KeyError: 'missing'"),
        ("return nothing", PermanentError, "must return a TickAck, not NoneType"),
        ("send no JSON", PermanentError, "cannot be sent"),
        ("fly", ConfigError, "nobody knows how to fly"),
    ],
)
async def test_an_error_travels_as_what_it_is(plugin: Spoken, do: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as raised:
        await plugin.tick(do)
    assert words in str(raised.value)
    assert type(raised.value) is error


async def test_a_held_host_is_waited_for(plugin: Spoken) -> None:
    with pytest.raises(TransientError) as raised:
        await plugin.tick("hold")
    assert raised.value.retry_after is not None
    assert raised.value.retry_after.total_seconds() == 300


async def test_a_config_with_unknown_keys_is_refused(plugin: Spoken) -> None:
    with pytest.raises(ConfigError, match="unknown key 'colour'"):
        await plugin.tick("nothing", colour="red")


async def test_a_kind_that_it_does_not_have_is_refused(plugin: Spoken) -> None:
    with pytest.raises(ConfigError, match="no poller of kind 'gmail', only of many_sided"):
        await plugin.call("poll_tick", **{**tick_params("nothing"), "kind": "gmail"})


async def test_a_method_that_it_does_not_know_is_refused(plugin: Spoken) -> None:
    with pytest.raises(MethodNotFound, match="poll_dance"):
        await plugin.call("poll_dance")


async def test_a_reply_that_is_longer_than_a_line_may_be_fails_its_tick_alone(plugin: Spoken) -> None:
    cursor = "AAAA" * 2**20
    with pytest.raises(PermanentError, match=r"the reply has 4,\d+,\d+ bytes of JSON"):
        await plugin.call("poll_tick", **{**tick_params("send"), "cursor": cursor[: 2**22 - 400]})
    await plugin.tick("nothing")


async def test_whatever_else_is_longer_than_a_line_may_be_fails_alone_too(plugin: Spoken) -> None:
    with pytest.raises(TransientError, match=r"^ValueError: on and on "):
        await plugin.tick("ramble")
    with pytest.raises(PermanentError, match=r"the call of log has 5,\d+,\d+ bytes of JSON"):
        await plugin.tick("log all")
    with pytest.raises(PermanentError, match=r"the reply has 5,\d+,\d+ bytes of JSON"):
        await plugin.call("poll_tool_call", kind="many_sided", tool_name="ramble", args={})
    await plugin.tick("nothing")


async def test_callbacks_name_their_job(plugin: Spoken) -> None:
    await plugin.tick("count")
    await plugin.tick("publish")
    assert plugin.asked[0] == ("metric_inc", {"job_id": "job-1", "name": "things", "labels": {}})
    assert plugin.asked[2][1]["labels"] == {"kind": "7"}
    assert [asked["payload"] for _, asked in plugin.asked[4:]] == [{"a": [1, 2.5, None]}, "just words", "5"]


async def test_its_tools_are_listed_and_called(plugin: Spoken) -> None:
    shout, *_ = await plugin.call("poll_list_tools", kind="many_sided")
    assert (shout["name"], shout["description"], shout["parameters"]["required"]) == (
        "shout",
        "Says it aloud.",
        ["text"],
    )
    said = await plugin.call(
        "poll_tool_call", kind="many_sided", tool_name="shout", args={"text": "hey", "agent_id": "ana"}
    )
    assert said == {"said": "HEY", "to": "ana"}
    with pytest.raises(MethodNotFound, match="whisper"):
        await plugin.call("poll_tool_call", kind="many_sided", tool_name="whisper", args={})


async def test_its_tools_act_for_whoever_calls(plugin: Spoken) -> None:
    with pytest.raises(TransientError, match="no mapping"):  # which is what this daemon answers
        await plugin.call("poll_tool_call", kind="many_sided", tool_name="whoami", args={"agent_id": "bob"})
    assert plugin.asked == [("credentials_get", {"channel": "telegram", "agent_id": "bob"})]


async def test_http_is_guarded_as_in_the_daemon(plugin: Spoken) -> None:
    async with http_server() as server:
        server.routes["/"] = lambda _: Response(body=b"inside")
        with pytest.raises(TransientError, match=r"AddressRefused: refused to connect to 127\.0\.0\.1: it is loopback"):
            await plugin.tick("fetch", url=server.url("/"))
        reply = await plugin.tick("fetch", url=server.url("/"), allow_private_networks=True)
    assert reply["deliver"][0]["payload"]["text"] == "inside"


def test_an_ephemeral_tick_is_a_line_in_and_a_line_out() -> None:
    done = ephemeral(json.dumps({"id": 7, "method": "poll_tick", "params": tick_params("send")}) + "\n")
    assert (done.returncode, done.stderr) == (0, "the lifespan is over\n")
    reply = json.loads(done.stdout)
    assert (reply["id"], reply["result"]["metrics"]["items_seen"]) == (7, 5)


def test_an_ephemeral_tick_logs_to_stderr_counts_nothing_and_can_ask_for_nothing_else() -> None:
    def done(do: str) -> tuple[dict[str, Any], str]:
        ran = ephemeral(json.dumps({"id": 7, "method": "poll_tick", "params": tick_params(do)}))
        return json.loads(ran.stdout), ran.stderr

    reply, stderr = done("log")
    assert "result" in reply
    assert 'info: a secret: hunter22 {"n": 1' in stderr
    assert "result" in done("count")[0]
    error = done("use_credentials")[0]["error"]
    assert error["message"].startswith("HostError: credentials_get: an ephemeral plugin cannot call back")


@pytest.mark.parametrize("line", ["", "garbage\n", "[1]\n", '{"id": 1, "method": "poll_tick", "params": {}}\n'])
def test_an_ephemeral_plugin_says_what_is_wrong_with_the_request(line: str) -> None:
    done = ephemeral(line)
    assert done.returncode == 0
    assert json.loads(done.stdout)["error"]["code"] == -32001


def test_two_pollers_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="two pollers have one kind: many_sided, many_sided"):
        serve(ManySided(), ManySided())


def test_a_plugin_that_starts_for_every_tick_loads_only_what_it_needs() -> None:
    look = (
        "import sys; from nexo_poller import Poller; from nexo_poller.plugins import serve;"
        "import nexo_poller.plugins.sdk.ephemeral;"
        "print(*sorted(name for name in sys.modules if name.startswith(('nexo_poller.', 'httpx', 'apsw', 'ssl'))))"
    )
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    rooms = {name.split(".")[1] for name in loaded if "." in name}
    assert not {"httpx", "apsw"} & {*loaded}
    assert not rooms & {"runner", "store", "http", "admin", "cli", "llm", "builtins", "channels", "host"}


async def test_what_the_daemon_cannot_do_is_an_error_of_the_host() -> None:
    async def refuse(method: str, params: Any) -> None:
        raise TransientError("HostError: not today")  # as the wire's reader has it

    host = BrokerPollerHost(job_id="job-1", agent_id="ana", call=refuse)
    with pytest.raises(HostError, match=r"^not today$"):
        await host.broker_publish("plugin.inbound.things", b"x")
    with pytest.raises(HostError, match=r"^not today$"):
        await host.credentials_get("telegram")
