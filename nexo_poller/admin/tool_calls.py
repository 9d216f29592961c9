"""The tools for language models, to be listed and called."""

from collections.abc import Sequence
from typing import Any

from nexo_poller.admin.route import Call
from nexo_poller.tools import tools


async def list_tools(call: Call) -> Sequence[dict[str, Any]]:
    """Every tool, as the Model Context Protocol lists them."""
    return tools(call.runner).mcp()


async def call_tool(call: Call) -> dict[str, Any]:
    """What a tool answers. Whoever may call here says who the caller is; the arguments cannot."""
    registry = tools(call.runner)
    result = await registry.call(call.path["name"], call.body.get("arguments", {}), agent_id=call.body["agent_id"])
    return {"ok": True, "result": result}
