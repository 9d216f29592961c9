"""An MCP server whose tools are a daemon's: what it is asked for, it asks the admin server. Needs the extra `mcp`."""

import json
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import click
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent

from nexo_poller.cli.daemon import NO_DEADLINE, Connection, Daemon


async def serve_stdio(daemon: Daemon, agent: str) -> None:
    """Serve until stdin is closed. Raises `NoDaemon` if there is none at the start."""
    async with daemon.connected() as connection:
        await connection.ask("GET", "/admin/tools")
        server = mcp_server(connection, agent)
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())


def mcp_server(daemon: Connection, agent: str) -> Server[Any]:
    """The tools of this daemon, called in the name of `agent`."""

    async def list_tools(_context: object, _page: object) -> ListToolsResult:
        return ListToolsResult.model_validate({"tools": await daemon.ask("GET", "/admin/tools")})

    async def call_tool(_context: object, call: CallToolRequestParams) -> CallToolResult:
        """What goes wrong, in whatever way, is an answer for the model and not an error of the protocol."""
        body = {"arguments": call.arguments or {}, "agent_id": agent}
        try:
            path = f"/admin/tools/{quote(call.name, safe='')}"
            answer = await daemon.ask("POST", path, body=body, patience_secs=NO_DEADLINE)
        except click.ClickException as error:
            return CallToolResult(content=[TextContent(text=error.message)], is_error=True)
        result = answer["result"]
        return CallToolResult(content=[TextContent(text=json.dumps(result))], structured_content=result)

    return Server("nexo-poller", version=version("nexo-poller"), on_list_tools=list_tools, on_call_tool=call_tool)
