"""Plugins over a real NATS server, as the runner sees them: through real ticks of real programs."""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from acting import SOON, Acting, act, actor, serving
from nats_server import NatsServer, nats_server

from nexo_poller.config.model import Config, JobSpec
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.runner.prometheus import PrometheusMetrics
from nexo_poller.runner.runner import PollerRunner

PREFIX = "plugin.poller.acme"
NATS_ACTOR = str(Path(__file__).with_name("nats_actor.py"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with nats_server(tmp_path) as server:
        yield server


def plugin(folder: Path, **changes: Any) -> PluginManifest:
    """The manifest of the actor over NATS, or of a plugin without a process of ours."""
    env = {"PREFIX": PREFIX, **changes.pop("env", {})}
    return actor(folder, args=("-I", NATS_ACTOR), env=env, **changes)


@asynccontextmanager
async def acting(server: NatsServer, *jobs: JobSpec, plugins: tuple[PluginManifest, ...]) -> AsyncIterator[Acting]:
    """Serves during the block, with what it needs in the server's folder."""
    config = Config(jobs=jobs, plugins=plugins, broker=server.settings)
    metrics = PrometheusMetrics()
    runner = PollerRunner(config, metrics=metrics)
    running = Acting(runner, metrics)
    runner.subscribe("plugin.outbound.>", running.take)
    async with serving(runner):
        yield running


async def so(condition: Callable[[], object]) -> None:
    """Return once another process, or a task that nobody hears of, has made it so."""
    while not condition():  # noqa: ASYNC110 - there is no event
        await trio.sleep(0.01)


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_a_tick_goes_there_and_its_reply_is_committed_like_any(server: NatsServer, tmp_path: Path) -> None:
    await server.add_stream("plugin.outbound.>")
    script = """
assert tick["kind"] == "act" and tick["job_id"] == "inbox" and tick["agent_id"] == "ana"
n = {None: 1, "AQ": 2}[tick["cursor"]]
assert await ask("broker_publish", topic="plugin.outbound.x", payload=[n]) == {"jsonrpc": "2.0", "id": "c", "result": None}
assert await ask("log", level="info", message="so far so good")
await reply(next_cursor={1: "AQ", 2: "_w=="}[n], metrics={"items_seen": 3, "items_dispatched": 1},
            deliver=[{"channel": "telegram", "recipient": "7", "payload": n}])
"""
    manifest = plugin(tmp_path, publish=("plugin.outbound.x",))
    async with acting(server, act(script), plugins=(manifest,)) as running:
        report = await running.run()
        assert (report.error, report.items_seen, report.items_dispatched) == (None, 3, 1)
        assert (await running.run()).error is None
        assert sorted(await running.payloads(4), key=str) == [
            [1],
            [2],
            {"text": 1, "to": "7"},
            {"text": 2, "to": "7"},
        ]
        assert await running.runner.cursor("inbox") == b"\xff"


async def test_what_a_failed_tick_has_published_dies_with_it(server: NatsServer, tmp_path: Path) -> None:
    await server.add_stream("plugin.outbound.>")
    script = """
await ask("broker_publish", topic="plugin.outbound.x", payload=1)
await say(id=tick["job_id"], error={"code": -32001, "message": "no luck"})
"""
    manifest = plugin(tmp_path, publish=("plugin.outbound.>",))
    async with acting(server, act(script), plugins=(manifest,)) as running:
        report = await running.run()
        assert (report.status, report.error) == ("transient", "no luck")
        assert await running.runner.outbox() == []
    async with server.client() as client:
        assert await client.kept() == []


async def test_a_reply_may_stand_in_an_event_and_one_that_is_none_names_the_plugin(
    server: NatsServer, tmp_path: Path
) -> None:
    jobs = (
        act('await say(id="x", payload={"result": {"next_cursor": "AQ"}})', id="wrapped"),
        act('await say(id="x", payload=[])', id="no-object"),
        act('await message.respond(b"{half a mess")', id="broken"),
        act('await say(id="x")', id="neither"),
    )
    async with acting(server, *jobs, plugins=(plugin(tmp_path),)) as running:
        assert (await running.run("wrapped")).error is None
        assert await running.runner.cursor("wrapped") == b"\1"
        assert (await running.error("no-object")).startswith("plugin 'acme': its reply to poll_tick is no message")
        assert (await running.error("broken")).startswith("plugin 'acme': its reply to poll_tick is no message")
        assert await running.error("neither") == "plugin 'acme': its reply has neither `result` nor `error`"


async def test_a_plugin_that_somebody_else_runs_is_found_when_it_is_there(server: NatsServer, tmp_path: Path) -> None:
    async with acting(server, act(), plugins=(plugin(tmp_path, command=None),)) as running:
        report = await running.run()
        assert report.status == "transient"
        assert report.error == f"plugin 'acme': nobody listens on '{PREFIX}.tick'; is it running?"
        async with server.client() as client, trio.open_nursery() as nursery:
            await nursery.start(client.answer, f"{PREFIX}.tick", json.dumps({"result": {}}).encode())
            assert (await running.run()).error is None
            nursery.cancel_scope.cancel()


async def test_a_plugin_killed_in_a_tick_makes_it_a_transient_error_and_comes_back(
    server: NatsServer, tmp_path: Path
) -> None:
    script = """
if tick["cursor"] is None and not os.path.exists(tick["config"]["flag"]):
    open(tick["config"]["flag"], "x").close()
    print("these are its last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 9)
await reply()
"""
    job = act(script, config={"flag": str(tmp_path / "killed")})
    async with acting(server, job, plugins=(plugin(tmp_path),)) as running:
        report = await running.run()
        assert report.status == "transient"
        assert "ended by signal 9" in str(report.error)
        assert "these are its last words" in str(report.error)
        assert (await running.run()).error is None


async def test_a_server_that_is_killed_in_a_tick_makes_it_a_transient_error_and_is_found_again(
    server: NatsServer, tmp_path: Path
) -> None:
    script = """
if not os.path.exists(tick["config"]["flag"]):
    open(tick["config"]["flag"], "x").close()
    return
await reply()
"""
    flag = tmp_path / "asked"
    async with acting(server, act(script, config={"flag": str(flag)}), plugins=(plugin(tmp_path),)) as running:
        errors: list[str] = []

        async def tick() -> None:
            errors.append(await running.error())

        with trio.fail_after(SOON):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tick)
                await so(flag.exists)
                await server.kill()
            assert errors == ["plugin 'acme': poll_tick: the NATS server cannot be reached"]
            await server.start()
            while (await running.run()).error is not None:  # until both ends are back
                await trio.lowlevel.checkpoint()


async def test_a_tick_that_was_cut_short_publishes_nothing_more_and_keeps_its_place(
    server: NatsServer, tmp_path: Path
) -> None:
    script = """
while not os.path.exists(tick["config"]["flag"]):
    await asyncio.sleep(0.01)
said = await ask("broker_publish", topic="plugin.outbound.x", payload=1, job_id=tick["job_id"])
open(tick["config"]["said"], "w").write(json.dumps(said))
await reply()
"""
    flag, said = tmp_path / "go", tmp_path / "said"
    manifest = plugin(tmp_path, publish=("plugin.outbound.>",), tick_timeout=timedelta(seconds=1))
    job = act(script, config={"flag": str(flag), "said": str(said)})
    async with acting(server, job, act("await reply()", id="other"), plugins=(manifest,)) as running:
        assert await running.error() == "plugin 'acme': no reply within 1 s"
        flag.touch()
        assert (await running.run("other")).error is None  # whose place is free once the late reply has come
        assert "was cut short; nothing of it is published" in said.read_text()


async def test_tools_are_asked_for_on_a_topic_of_their_own(server: NatsServer, tmp_path: Path) -> None:
    tools = [{"name": "act_find", "description": "Finds.", "parameters": {"type": "object"}}]
    manifest = plugin(tmp_path, env={"TOOLS": json.dumps(tools)})
    async with acting(server, act("await reply()"), plugins=(manifest,)) as running:
        [proxy] = [poller for poller in running.runner.pollers if poller.kind == "act"]
        with trio.fail_after(SOON):
            await so(proxy.custom_tools)
        [tool] = proxy.custom_tools()
        said = await tool.handler(running.runner, {"agent_id": "ana", "q": 1})
        assert said == {"kind": "act", "tool_name": "act_find", "args": {"agent_id": "ana", "q": 1}}


async def test_its_process_ends_with_the_daemon_by_sigterm(server: NatsServer, tmp_path: Path) -> None:
    script = """
import signal
open(tick["config"]["pid"], "w").write(str(os.getpid()))
asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: (open(tick["config"]["pid"] + ".bye", "x"), sys.exit()))
await reply()
"""
    pid = tmp_path / "pid"
    async with acting(server, act(script, config={"pid": str(pid)}), plugins=(plugin(tmp_path),)) as running:
        assert (await running.run()).error is None
    assert tmp_path.joinpath("pid.bye").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGTERM)
