"""`nexo-poller mcp`, driven by the official client over stdio."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

from attrs import define
from command import NEXO_POLLER, ROOT, Running, environment, nexo_poller, running
from http_server import Response, http_server
from job_files import api_job, orders, write_config
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent

from nexo_poller.builtins.gmail.tools import gmail_tools
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.tools.generic import GENERIC_TOOLS

SOCKET: Final = "unix:./admin.sock"
NOWHERE: Final = "127.0.0.1:9"


@define(eq=False)
class Connected:
    """An MCP client, and the daemon whose tools it has."""

    mcp: Client
    daemon: Running

    async def job(self) -> Any:
        """The job, as the daemon knows it."""
        return (await self.mcp.call_tool("pollers_show", {"id": "orders"})).structured_content


def install_tools(folder: Path) -> dict[str, str]:
    """Install the examples as a distribution with a kind that brings a tool; returns the environment that has it."""
    about = folder / "version_tools-1.0.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: version-tools\nVersion: 1.0\n")
    about.joinpath("entry_points.txt").write_text(
        "[nexo_poller.pollers]\nversion = version_tools:VersionPollerWithTools\n"
    )
    return {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "examples", folder)))}


@asynccontextmanager
async def client(folder: Path) -> AsyncIterator[Client]:
    """An MCP client that has started the command as its server, for the agent `ana`."""
    program, *arguments = NEXO_POLLER
    parameters = StdioServerParameters(
        command=program, args=[*arguments, "mcp", "--agent", "ana", "--admin", SOCKET], env=environment(), cwd=folder
    )
    async with Client(stdio_client(parameters, errlog=sys.stderr)) as connected:
        yield connected


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[Connected]:
    """A daemon with the paused jobs `orders`, which finds two, and `release`, whose kind brings a tool; and a client."""
    version = Response(body=json.dumps({"version": "1.0"}).encode())
    async with http_server({"/orders": lambda _: orders(1, 2), "/version": lambda _: version}) as server:
        release = {"url": server.url("/version"), "deliver": {"channel": "inbox", "to": "ana"}}
        jobs = [
            api_job(server.url("/orders")),
            {**api_job(""), "id": "release", "kind": "version", "config": {**release, "allow_private_networks": True}},
        ]
        write_config(folder, *({**job, "paused_on_boot": True} for job in jobs))
        serve = (*NEXO_POLLER, "serve", "--admin", SOCKET)
        async with running(serve, cwd=folder, env=install_tools(folder)) as daemon:
            await daemon.said("the admin server listens")
            async with client(folder) as mcp:
                yield Connected(mcp, daemon)


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_every_tool_of_the_daemon_is_listed(tmp_path: Path) -> None:
    async with connected(tmp_path) as there:
        listed = await there.mcp.list_tools()
        generic = {tool.name: (tool.description, tool.parameters) for tool in GENERIC_TOOLS}
        found = {tool.name: (tool.description, tool.input_schema) for tool in listed.tools}
        gmails = {tool.name: (tool.description, tool.parameters) for tool in gmail_tools(GoogleAccounts())}
        assert found == {**generic, **gmails, "version_check": found["version_check"]}


async def test_every_tool_answers_in_text_and_as_a_structure(tmp_path: Path) -> None:
    it = {"id": "orders"}
    answers: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("pollers_list", {}, {"total": 2}),
        ("pollers_show", it, {"id": "orders", "paused": True}),
        ("pollers_run", {**it, "dry_run": True}, {"ok": True, "deliveries": 2}),
        ("pollers_run", it, {"ok": True, "items_seen": 2, "items_dispatched": 2, "deliveries": 2}),
        ("pollers_run", it, {"ok": True, "items_seen": 2, "items_dispatched": 0, "deliveries": 0}),
        ("pollers_resume", it, {"ok": True, "paused": False}),
        ("pollers_pause", it, {"ok": True, "paused": True}),
        ("pollers_reset", it, {"ok": True, "reset": True}),
        ("version_check", {"id": "release"}, {"is_new": True, "asked_by": "ana"}),
    ]
    async with connected(tmp_path) as there:
        for name, arguments, answer in answers:
            result = await there.mcp.call_tool(name, arguments)
            assert not result.is_error, text(result)
            assert result.structured_content.items() >= answer.items()
            assert json.loads(text(result)) == result.structured_content
        assert {name for name, *_ in answers} == {*(tool.name for tool in GENERIC_TOOLS), "version_check"}
        sent = [json.loads(await there.daemon.line())["payload"]["text"] for _ in range(2)]
        assert sent == ["order 1", "order 2"]


async def test_the_caller_is_the_agent_of_the_command_line(tmp_path: Path) -> None:
    async with connected(tmp_path) as there:
        await there.mcp.call_tool("pollers_resume", {"id": "orders"})
        await there.mcp.call_tool("pollers_pause", {"id": "orders", "reason": "on holiday"})
        assert (await there.job())["pause_reason"] == "ana: on holiday"


async def test_a_wrong_call_is_an_answer_that_the_model_can_read_and_changes_nothing(tmp_path: Path) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("pollers_resume", {}, "$: 'id' is a required property"),
        ("pollers_resume", {"id": 5}, "$.id: 5 is not of type 'string'"),
        ("pollers_resume", {"id": "orders", "agent_id": "root"}, "who calls is not for an argument to say"),
        ("version_check", {"id": "release", "agent_id": "root"}, "who calls is not for an argument to say"),
        ("pollers_resume", {"id": "order"}, "did you mean 'orders'?"),
        ("pollers_delete", {"id": "orders"}, "there is no such tool (there are pollers_list, "),
        ("pollers_resume?", {"id": "orders"}, "there is no such tool"),
        ("../pollers/orders/resume", {"id": "orders"}, "there is nothing at"),
    ]
    async with connected(tmp_path) as there:
        for name, arguments, words in wrong:
            result = await there.mcp.call_tool(name, arguments)
            assert result.is_error
            assert words in text(result)
        assert (await there.job())["paused"]


async def test_a_daemon_that_has_gone_is_an_answer_too(tmp_path: Path) -> None:
    async with connected(tmp_path) as there:
        assert await there.daemon.ended_by(SIGTERM) == 0
        result = await there.mcp.call_tool("pollers_list", {})
        assert result.is_error
        assert "no daemon answers" in text(result)


def test_without_a_daemon_it_says_where_it_looked(tmp_path: Path) -> None:
    done = nexo_poller("mcp", "--agent", "ana", "--admin", NOWHERE, cwd=tmp_path, status=3)
    assert done.stderr.startswith(f"Error: no daemon answers at {NOWHERE} (--admin)")
    assert done.stdout == ""


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    tmp_path.joinpath("mcp.py").write_text("raise ModuleNotFoundError(\"No module named 'mcp'\", name='mcp')")
    path = os.pathsep.join(map(str, (tmp_path, ROOT)))
    done = nexo_poller("mcp", "--agent", "ana", cwd=tmp_path, env={"PYTHONPATH": path}, status=1)
    assert 'pip install "nexo-poller[mcp]"' in done.stderr


def test_it_wants_to_know_who_calls(tmp_path: Path) -> None:
    assert "--agent" in nexo_poller("mcp", cwd=tmp_path, status=2).stderr
