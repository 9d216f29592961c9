"""`nexo-poller mcp`, driven by the official client over stdio."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from command import NEXO_POLLER, ROOT, environment, nexo_poller
from daemon import Daemon, counting, daemon, job
from http_server import Handler, Request, Response, http_server
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent

from nexo_poller import SystemClock, ToolError, ToolUnknown
from nexo_poller.tools import ToolRegistry, tools

NOWHERE = "127.0.0.1:9"


def admin_routes(registry: ToolRegistry) -> dict[str, Handler]:
    """The tools as docs/tools.md says that they are called over HTTP."""

    def answer(status: int, body: Any) -> Response:
        return Response(status=status, headers={"content-type": "application/json"}, body=json.dumps(body).encode())

    async def call(request: Request) -> Response:
        asked, name = json.loads(request.body), request.path.rpartition("/")[2]
        try:
            return answer(200, {"ok": True, "result": await registry.call(name, **asked)})
        except ToolError as error:
            return answer(404 if isinstance(error, ToolUnknown) else 400, {"ok": False, "error": str(error)})

    names = [*(tool.name for tool in registry.list()), "pollers_delete"]
    return {"/admin/tools": lambda _: answer(200, registry.mcp())} | {f"/admin/tools/{name}": call for name in names}


@asynccontextmanager
async def client(tmp_path: Path, address: str, **env: str) -> AsyncIterator[Client]:
    """An MCP client that has started the command as its server, for the agent `ana`."""
    program, *arguments = NEXO_POLLER
    parameters = StdioServerParameters(
        command=program,
        args=[*arguments, "mcp", "--agent", "ana", "--admin", address],
        env=environment(env),
        cwd=tmp_path,
    )
    async with Client(stdio_client(parameters, errlog=sys.stderr)) as connected:
        yield connected


@asynccontextmanager
async def connected(tmp_path: Path) -> AsyncIterator[tuple[Daemon, Client]]:
    """A daemon with a paused job `inbox`, and an MCP client of its tools."""
    async with (
        daemon(tmp_path, job(paused_on_boot=True), act=counting, clock=SystemClock()) as running,
        http_server(admin_routes(tools(running.runner))) as server,
        client(tmp_path, f"127.0.0.1:{server.port}") as mcp,
    ):
        yield running, mcp


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_every_tool_of_the_daemon_is_listed(tmp_path: Path) -> None:
    async with connected(tmp_path) as (running, mcp):
        listed = await mcp.list_tools()
        expected = {tool.name: (tool.description, tool.parameters) for tool in tools(running.runner).list()}
        assert {tool.name: (tool.description, tool.input_schema) for tool in listed.tools} == expected


async def test_every_tool_answers_in_text_and_as_a_structure(tmp_path: Path) -> None:
    inbox = {"id": "inbox"}
    answers: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("pollers_list", {}, {"total": 1}),
        ("pollers_show", inbox, {"id": "inbox", "paused": True}),
        ("pollers_run", {**inbox, "dry_run": True}, {"ok": True, "deliveries": 1}),
        ("pollers_run", inbox, {"ok": True, "deliveries": 1}),
        ("pollers_resume", inbox, {"ok": True, "paused": False}),
        ("pollers_pause", inbox, {"ok": True, "paused": True}),
        ("pollers_reset", inbox, {"ok": True, "reset": True}),
    ]
    async with connected(tmp_path) as (running, mcp):
        for name, arguments, answer in answers:
            result = await mcp.call_tool(name, arguments)
            assert not result.is_error
            assert result.structured_content.items() >= answer.items()
            assert json.loads(text(result)) == result.structured_content
        assert {name for name, *_ in answers} == {tool.name for tool in tools(running.runner).list()}


async def test_the_caller_is_the_agent_of_the_command_line(tmp_path: Path) -> None:
    async with connected(tmp_path) as (running, mcp):
        await mcp.call_tool("pollers_resume", {"id": "inbox"})
        await mcp.call_tool("pollers_pause", {"id": "inbox", "reason": "on holiday"})
        assert (await running.runner.job("inbox")).pause_reason == "ana: on holiday"


async def test_a_wrong_call_is_an_answer_that_the_model_can_read_and_changes_nothing(tmp_path: Path) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("pollers_resume", {}, "$: 'id' is a required property"),
        ("pollers_resume", {"id": 5}, "$.id: 5 is not of type 'string'"),
        ("pollers_resume", {"id": "inbox", "agent_id": "root"}, "who calls is not for an argument to say"),
        ("pollers_resume", {"id": "inbix"}, "did you mean 'inbox'?"),
        ("pollers_delete", {"id": "inbox"}, "there is no such tool (there are pollers_list, "),
        ("pollers_resume?", {"id": "inbox"}, "404"),
    ]
    async with connected(tmp_path) as (running, mcp):
        for name, arguments, words in wrong:
            result = await mcp.call_tool(name, arguments)
            assert result.is_error
            assert words in text(result)
        assert (await running.runner.job("inbox")).paused


async def test_a_daemon_that_has_gone_is_an_answer_too(tmp_path: Path) -> None:
    until, gone = trio.CancelScope(), trio.Event()

    async def serve(registry: ToolRegistry, *, task_status: trio.TaskStatus[int]) -> None:
        with until:
            async with http_server(admin_routes(registry)) as server:
                task_status.started(server.port)
                await trio.sleep_forever()
        gone.set()

    async with daemon(tmp_path, clock=SystemClock()) as running, trio.open_nursery() as nursery:
        port = await nursery.start(serve, tools(running.runner))
        async with client(tmp_path, f"127.0.0.1:{port}") as mcp:
            until.cancel()
            await gone.wait()
            result = await mcp.call_tool("pollers_list", {})
    assert result.is_error
    assert "no daemon answers" in text(result)


def test_without_a_daemon_it_says_where_it_looked(tmp_path: Path) -> None:
    done = nexo_poller("mcp", "--agent", "ana", "--admin", NOWHERE, cwd=tmp_path, status=3)
    assert done.stderr.startswith(f"Error: no daemon answers at http://{NOWHERE}")
    assert done.stdout == ""


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    tmp_path.joinpath("mcp.py").write_text("raise ModuleNotFoundError(\"No module named 'mcp'\", name='mcp')")
    path = os.pathsep.join(map(str, (tmp_path, ROOT)))
    done = nexo_poller("mcp", "--agent", "ana", cwd=tmp_path, env={"PYTHONPATH": path}, status=1)
    assert 'pip install "nexo-poller[mcp]"' in done.stderr


def test_it_wants_to_know_who_calls(tmp_path: Path) -> None:
    assert "--agent" in nexo_poller("mcp", cwd=tmp_path, status=2).stderr
