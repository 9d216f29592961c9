"""The plugins in examples/, under the real command, as an operator meets them."""

import base64
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from command import ROOT, nexo_poller
from following import follow
from http_server import Response, Server, http_server
from operating import Operated, operated

PLUGINS: Final = ROOT / "examples" / "plugins"
TO_ANA: Final = {"channel": "inbox", "to": "ana"}


@pytest.fixture(autouse=True)
def python3_is_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter that has the library, as in an activated environment."""
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))


def job(job_id: str, kind: str, **config: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "kind": kind,
        "agent": "ana",
        "paused_on_boot": True,
        "schedule": {"every_secs": 3600},
        "config": {"deliver": TO_ANA, **config},
    }


@asynccontextmanager
async def with_plugins(folder: Path) -> AsyncIterator[tuple[Operated, Server, list[str]]]:
    """A daemon with a job for each of the three, and one of a built-in kind; versions are what the server names next."""
    versions = ["1.0"]
    folder.joinpath("files").mkdir()
    async with http_server() as server:
        server.routes["/version"] = lambda _: Response(body=json.dumps({"version": versions[-1]}).encode())
        jobs = (
            job("disk", "free_space", path="/", warn_below_percent=100),
            job("node", "release", url=server.url("/version")),
            job("files", "new_files", folder=str(folder / "files")),
            job("builtin", "webhook_poll", url=server.url("/items"), items_path="", message_template="x"),
        )
        plugins = {"search_paths": [f"{PLUGINS}/*/nexo-plugin.toml"]}
        async with operated(folder, *jobs, plugins=plugins) as daemon:
            yield daemon, server, versions


async def test_list_shows_their_jobs_like_those_of_built_in_kinds(tmp_path: Path) -> None:
    async with with_plugins(tmp_path) as (daemon, _, _):
        jobs = {one["id"]: one for one in await daemon.json("list")}
        rows = [line.split()[:4] for line in (await daemon.says("list")).splitlines()[1:]]
    assert {job_id: one["kind"] for job_id, one in jobs.items()} == {
        "disk": "free_space",
        "node": "release",
        "files": "new_files",
        "builtin": "webhook_poll",
    }
    assert not any(one["rejected"] for one in jobs.values())
    assert len({frozenset(one) for one in jobs.values()}) == 1
    assert {row[3] for row in rows} == {"paused"}


async def test_run_and_history_show_what_the_python_plugin_did(tmp_path: Path) -> None:
    async with with_plugins(tmp_path) as (daemon, _, _):
        assert await daemon.says("run", "disk") == "1 item came, 1 message on the way\n"
        assert "which is little" in (await daemon.delivered())["text"]
        assert await daemon.says("run", "disk") == "1 item came, 0 messages on the way\n"
        assert [tick["status"] for tick in await daemon.json("history", "disk")] == ["ok", "ok"]


async def test_run_and_history_show_what_the_node_plugin_did(tmp_path: Path) -> None:
    async with with_plugins(tmp_path) as (daemon, server, versions):
        assert await daemon.says("run", "node") == "1 item came, 1 message on the way\n"
        assert await daemon.delivered() == {"text": "version 1.0 is out", "to": "ana"}
        await daemon.daemon.said("version 1.0 is out")  # in the log
        versions.append("1.1 “quoted”")
        await daemon.says("run", "node")
        assert (await daemon.delivered())["text"] == "version 1.1 “quoted” is out"
        server.routes["/version"] = lambda _: Response(status=404)
        failed = await daemon.command("run", "node", status=1)
        assert "the server answered 404" in failed.stderr
        history = await daemon.json("history", "node")
        assert [tick["status"] for tick in history] == ["permanent", "ok", "ok"]
        cursor = (await daemon.json("cursor", "show", "node"))["cursor"]
        assert base64.b64decode(cursor).decode() == "1.1 “quoted”"


async def test_the_node_plugin_says_what_is_wrong(tmp_path: Path) -> None:
    async with with_plugins(tmp_path) as (daemon, server, _):
        server.routes["/version"] = lambda _: Response(body=b"{}")
        assert "the document names no version" in (await daemon.command("run", "node", status=1)).stderr
        server.routes["/version"] = lambda _: Response(body=b"<html>")
        assert "is not valid JSON" in (await daemon.command("run", "node", status=1)).stderr
        refused = await daemon.command("call", "release_latest", '{"url": "not one"}', "--agent", "ana", status=1)
        assert "`url` is no URL" in refused.stderr


async def test_run_and_history_show_what_the_shell_script_did(tmp_path: Path) -> None:
    async with with_plugins(tmp_path) as (daemon, _, _):
        await daemon.says("run", "files")
        for name in ("one.txt", "two words.txt"):
            tmp_path.joinpath("files", name).touch()
        assert await daemon.says("run", "files") == "2 items came, 2 messages on the way\n"
        assert (await daemon.delivered())["text"] == "new file: one.txt"
        assert (await daemon.delivered())["text"] == "new file: two words.txt"
        assert await daemon.says("run", "files") == "0 items came, 0 messages on the way\n"
        assert [tick["items_dispatched"] for tick in await daemon.json("history", "files")] == [0, 2, 0]


async def test_the_shell_script_says_what_is_wrong(tmp_path: Path) -> None:
    async with with_plugins(tmp_path) as (daemon, _, _):
        tmp_path.joinpath("files").rmdir()
        failed = await daemon.command("run", "files", status=1)
        assert f"there is no folder {tmp_path}/files" in failed.stderr


async def test_tools_shows_theirs_among_the_others(tmp_path: Path) -> None:
    async with with_plugins(tmp_path) as (daemon, _, _):
        tools: Mapping[str, Any] = {tool["name"]: tool for tool in await daemon.json("tools")}
    assert {"pollers_list", "free_space_now", "release_latest"} <= tools.keys()
    assert tools["free_space_now"]["description"] == "How much of a disk is free at this moment, in per cent."


def test_the_configuration_beside_them_is_sound() -> None:
    nexo_poller("check", "--strict", cwd=PLUGINS)


async def test_the_page_can_be_followed_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    shutil.copytree(PLUGINS, folder)
    config = folder / "config" / "pollers.yaml"
    config.write_text(config.read_text().replace("https://registry.npmjs.org", "http://127.0.0.1:9"))
    socket = {"nexo-poller serve": "nexo-poller serve --admin unix:admin.sock"}
    await follow("examples/plugins/README.md", folder, swap=socket)
