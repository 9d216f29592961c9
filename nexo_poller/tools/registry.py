"""All tools of a runner, as a language model's host needs them: listed, exported, called."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import trio
from attrs import define

from nexo_poller.builtins.offload import worked_out
from nexo_poller.errors import NexoPollerError, ToolError, ToolUnknown
from nexo_poller.failures import LONGEST_ERROR, describe, leaves
from nexo_poller.masking import Mask, masked_json
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.tool import AGENT_ID, Tool
from nexo_poller.tools.arguments import argument_problems

log = logging.getLogger(__name__)


@define(eq=False, repr=False)
class ToolRegistry:
    """The tools that were there when `tools(runner)` made it."""

    _runner: PollerRunner
    _tools: Mapping[str, Tool]

    def __repr__(self) -> str:
        return f"<ToolRegistry: {', '.join(self._tools)}>"

    def list(self) -> Sequence[Tool]:
        """Every tool: the generic ones, then those of the pollers."""
        return [*self._tools.values()]

    async def call(self, name: str, arguments: Mapping[str, Any], *, agent_id: str) -> dict[str, Any]:
        """The tool's answer: JSON, times as integer milliseconds, nothing secret in it (O2).

        `agent_id` is who calls. The host says it and the model cannot: it joins the arguments once they have been
        found to fit the tool's schema, and is no argument itself.

        Raises `ToolError`, whose text is for the model: there is no such tool (`ToolUnknown`), the arguments do not
        fit, the handler failed or took longer than the tool's `timeout`. Raises `RuntimeError` while the runner is not
        open. A run that a tool began goes on in the runner when its caller is cancelled or has lost patience.
        """
        tool, mask = self._tool(name), self._runner.mask
        log.info("agent '%s' calls the tool %s", agent_id, name)
        try:
            answer = await _masked(await self._answer(tool, arguments, agent_id), mask)
        except Exception as error:
            refused = ToolError(name, *(mask(problem)[:LONGEST_ERROR] for problem in _problems(error)))
            log.warning("%s", refused)
            raise refused from error
        if not isinstance(answer, dict):
            raise ToolError(name, "its handler returned no mapping")
        return answer

    def openai(self) -> Sequence[dict[str, Any]]:
        """The tools as the `tools` of OpenAI's chat completions, and of what imitates them."""
        return [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in self._tools.values()
        ]

    def anthropic(self) -> Sequence[dict[str, Any]]:
        """The tools as the `tools` of Anthropic's messages."""
        return [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in self._tools.values()
        ]

    def mcp(self) -> Sequence[dict[str, Any]]:
        """The tools as a result of the Model Context Protocol's `tools/list` has them."""
        return [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.parameters}
            for tool in self._tools.values()
        ]

    def _tool(self, name: str) -> Tool:
        if name not in self._tools:
            raise ToolUnknown(name, known=self._tools)
        return self._tools[name]

    async def _answer(self, tool: Tool, arguments: Mapping[str, Any], agent_id: str) -> object:
        if problems := argument_problems(tool.parameters, arguments):
            raise ToolError(tool.name, *problems)
        with trio.move_on_after(tool.timeout.total_seconds()):
            return await tool.handler(self._runner, {**arguments, AGENT_ID: agent_id})
        raise ToolError(tool.name, f"it gave no answer within {tool.timeout.total_seconds():g} s")


async def _masked(answer: object, mask: Mask) -> Any:
    size = len(json.dumps(answer, default=str))
    return await worked_out(size, partial(masked_json, answer, mask))


def _problems(error: Exception) -> Iterator[str]:
    """What is wrong, for a model to read."""
    for leaf in leaves(error):
        match leaf:
            case ToolError():
                yield from leaf.problems
            case NexoPollerError():
                yield describe(leaf)
            case _:
                yield f"{type(leaf).__name__}: {describe(leaf)}"
