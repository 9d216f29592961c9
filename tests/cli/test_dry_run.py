"""`nexo-poller test ID`."""

import json
import sys
from functools import partial
from pathlib import Path
from signal import SIGTERM
from subprocess import CompletedProcess

import trio
from command import NEXO_POLLER, nexo_poller, running
from http_server import Response, http_server
from job_files import api_job, orders, write_config


async def dry_run(folder: Path, *arguments: str, status: int = 0) -> CompletedProcess[str]:
    """Run `nexo-poller test` while this process serves."""
    return await trio.to_thread.run_sync(partial(nexo_poller, "test", *arguments, cwd=folder, status=status))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_dry_tick_shows_what_came_what_would_go_and_the_cursor(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(1, 2)}) as server:
        write_config(tmp_path, api_job(server.url("/orders")))
        told = (await dry_run(tmp_path, "orders")).stdout
    assert "2 items came, 2 messages would be sent" in told
    assert "plugin.outbound.inbox, to ana:\n    order 1\n" in told
    assert "the cursor is        (none)\nit would change to   " in told


async def test_the_same_in_json(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(1)}) as server:
        write_config(tmp_path, api_job(server.url("/orders")))
        told = json.loads((await dry_run(tmp_path, "orders", "--json")).stdout)
    assert told.pop("cursor_after")
    assert told == {
        "job": "orders",
        "status": "ok",
        "items_seen": 1,
        "items_dispatched": 1,
        "messages": [
            {"topic": "plugin.outbound.inbox", "payload": {"text": "order 1", "to": "ana"}, "not_before": None}
        ],
        "cursor_before": None,
        "error": None,
    }


async def test_nothing_is_sent_or_saved(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(1)}) as server:
        write_config(tmp_path, api_job(server.url("/orders")), channels={"inbox": server.url("/inbox")})
        first = (await dry_run(tmp_path, "orders")).stdout
        assert (await dry_run(tmp_path, "orders")).stdout == first
    assert {request.path for request in server.requests} == {"/orders"}
    assert names_in(tmp_path) == ["config"]


async def test_it_starts_from_the_cursor_of_the_daemon_and_leaves_it(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(1)}) as server:
        write_config(tmp_path, api_job(server.url("/orders")))
        async with running((*NEXO_POLLER, "serve", "--no-admin"), cwd=tmp_path) as daemon:
            assert "order 1" in await daemon.line()
            assert await daemon.ended_by(SIGTERM) == 0
        server.routes["/orders"] = lambda _request: orders(1, 2)
        for _ in range(2):
            told = json.loads((await dry_run(tmp_path, "orders", "--json")).stdout)
            assert [message["payload"]["text"] for message in told["messages"]] == ["order 2"]
            assert told["cursor_before"] != told["cursor_after"]


async def test_a_tick_that_fails_says_why_and_exits_with_1(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: Response(status=404)}) as server:
        write_config(tmp_path, api_job(server.url("/orders")))
        assert "404" in (await dry_run(tmp_path, "orders", status=1)).stdout
        assert "404" in json.loads((await dry_run(tmp_path, "orders", "--json", status=1)).stdout)["error"]


async def test_a_message_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(1)}) as server:
        write_config(tmp_path, api_job(server.url("/orders"), message_template="\x1b[2Jorder {id}"))
        assert "\\x1b[2Jorder 1" in (await dry_run(tmp_path, "orders")).stdout


def test_a_job_that_is_wrong_or_unknown_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path, api_job("http://127.0.0.1:9/", first_tik="all"))
    assert "first_tik" in nexo_poller("test", "orders", cwd=tmp_path, status=1).stderr
    assert "there is no job 'order'" in nexo_poller("test", "order", cwd=tmp_path, status=1).stderr


async def test_a_plugin_runs_for_it_alone_and_no_other_is_started(tmp_path: Path) -> None:
    reply = """
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    tick = {"next_cursor": "AQ", "deliver": [{"channel": "inbox", "recipient": "ana", "payload": "7 degrees"}]}
    said = {"name": "w", "version": "1", "capabilities": {"pollers": ["weather"]}}
    print(json.dumps({"id": call["id"], "result": {"initialize": said, "poll_tick": tick}.get(call["method"], {})}), flush=True)
"""
    for name, kind, script in (("weather", "weather", reply), ("other", "news", "open('started', 'w')")):
        folder = tmp_path / "config" / "plugins" / name
        folder.mkdir(parents=True)
        folder.joinpath("plugin.py").write_text(script)
        folder.joinpath("nexo-plugin.toml").write_text(f"""
[plugin]
id = "{name}"
version = "1.0.0"
name = "{name}"
[plugin.entrypoint]
command = {json.dumps(sys.executable)}
args = ["-I", "plugin.py"]
[plugin.poller]
kinds = ["{kind}"]
broker_topic_prefix = "plugin.poller.{kind}"
""")
    job = {"id": "vienna", "kind": "weather", "agent": "ana", "schedule": {"every_secs": 60}}
    write_config(tmp_path, job, {**job, "id": "paper", "kind": "news"})
    told = json.loads((await dry_run(tmp_path, "vienna", "--json")).stdout)
    assert told["error"] is None
    assert [message["payload"]["text"] for message in told["messages"]] == ["7 degrees"]
    assert told["cursor_after"] == "\x01"
    assert sorted(names_in(tmp_path / "config" / "plugins" / "other")) == ["nexo-plugin.toml", "plugin.py"]
