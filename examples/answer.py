"""A program that answers the calls of a language model; here two calls stand in for what a model would ask."""

import json
from collections.abc import Mapping
from typing import Any

import trio
from version_tools import VersionPollerWithTools

from nexo_poller import PollerRunner, ToolError
from nexo_poller.tools import ToolRegistry, tools


async def answer(registry: ToolRegistry, name: str, arguments: Mapping[str, Any]) -> str:
    """What goes back to the model."""
    try:
        return json.dumps(await registry.call(name, arguments, agent_id="ana"))
    except ToolError as error:
        return f"error: {error}"


async def main() -> None:
    runner = PollerRunner.from_config("./config").register(VersionPollerWithTools())
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        registry = tools(runner)
        print("the model is told of:", [tool["name"] for tool in registry.anthropic()])
        print(await answer(registry, "version_check", {"id": "release"}))
        print(await answer(registry, "version_check", {"job": "release"}))
        await runner.shutdown()


trio.run(main)
