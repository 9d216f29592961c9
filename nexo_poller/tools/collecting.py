"""The tools that pollers bring along, and whether a set of tools can be offered together."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from nexo_poller.errors import ConfigError, Problem
from nexo_poller.failures import describe
from nexo_poller.poller import Poller
from nexo_poller.tool import Tool
from nexo_poller.tools.arguments import schema_problem

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what OpenAI takes; Anthropic and MCP take more


def collect_custom_tools(pollers: Iterable[Poller[Any]]) -> list[Tool]:
    """What the `custom_tools()` of all these pollers return, in their order.

    Raises `ConfigError` with a problem for every poller whose `custom_tools()` fails or returns anything else.
    """
    tools: list[Tool] = []
    problems: list[Problem] = []
    for poller in pollers:
        try:
            tools += map(_tool, poller.custom_tools())
        except Exception as error:  # noqa: BLE001 - it is somebody else's code
            what = f"the tools of the poller '{poller.kind}' cannot be had: {type(error).__name__}: {describe(error)}"
            problems.append(Problem(what=what, remedy="its custom_tools() returns a sequence of nexo_poller.Tool"))
    if problems:
        raise ConfigError(*problems)
    return tools


def tool_problems(tools: Sequence[Tool]) -> Iterator[Problem]:
    """Why these tools cannot be offered together."""
    uses = Counter(tool.name for tool in tools)
    for name, times in uses.items():
        if times > 1:
            yield Problem(what=f"{times} tools are called '{name}'", remedy="begin each name with its poller's kind")
        if not NAME.fullmatch(name):
            yield Problem(what=f"{name!r} is no name for a tool", remedy="use 1 to 64 of a-z A-Z 0-9 _ -")
    for tool in tools:
        if problem := schema_problem(tool.parameters):
            yield Problem(what=f"the tool '{tool.name}': {problem}")


def _tool(value: object) -> Tool:
    if not isinstance(value, Tool):
        raise TypeError(f"{value!r} is no Tool")
    return value
