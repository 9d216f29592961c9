"""The tools that pollers bring along, and whether they can be offered."""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from nexo_poller.errors import ConfigError, Problem
from nexo_poller.failures import describe
from nexo_poller.plugins.proxy import PluginPollerProxy
from nexo_poller.poller import Poller
from nexo_poller.tool import Tool
from nexo_poller.tools.arguments import schema_problem
from nexo_poller.tools.generic import GENERIC_TOOLS

log = logging.getLogger(__name__)
NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what OpenAI takes; Anthropic and MCP take more


def collect_custom_tools(pollers: Iterable[Poller[Any]]) -> list[Tool]:
    """What the `custom_tools()` of all these pollers return, in their order.

    Raises `ConfigError` with everything that is wrong with them: a name that is taken or that some provider refuses,
    parameters that are no JSON Schema of an object, a poller whose `custom_tools()` fails. What is wrong with the tools
    of plugins, which come last, takes nothing from the others: such a tool is left out, and logged.
    """
    tools: list[Tool] = []
    problems: list[Problem] = []
    owners = dict.fromkeys((tool.name for tool in GENERIC_TOOLS), "every runner")
    for poller in sorted(pollers, key=lambda one: isinstance(one, PluginPollerProxy)):
        owner = f"the poller '{poller.kind}'"
        try:
            offered = [*map(_tool, poller.custom_tools())]
        except Exception as error:  # noqa: BLE001 - it is somebody else's code
            what = f"{owner} cannot tell its tools: {type(error).__name__}: {describe(error)}"
            problems.append(Problem(what=what, remedy="its custom_tools() returns a sequence of nexo_poller.Tool"))
            continue
        for tool in offered:
            found = [*_problems(tool, owner, owners.get(tool.name))]
            if found and isinstance(poller, PluginPollerProxy):
                log.warning("left out: %s", "; ".join(map(str, found)))
                continue
            problems += found
            owners[tool.name] = owner
            tools.append(tool)
    if problems:
        raise ConfigError(*problems)
    return tools


def _tool(value: object) -> Tool:
    if not isinstance(value, Tool):
        raise TypeError(f"{value!r} is no Tool")
    return value


def _problems(tool: Tool, owner: str, first_owner: str | None) -> Iterator[Problem]:
    where = f"the tool '{tool.name}' of {owner}"
    if not NAME.fullmatch(tool.name):
        yield Problem(what=f"{where}: no provider takes such a name", remedy="use 1 to 64 of a-z A-Z 0-9 _ -")
    if first_owner is not None:
        yield Problem(what=f"{where}: {first_owner} has one of that name", remedy="begin it with the poller's kind")
    if problem := schema_problem(tool.parameters):
        yield Problem(what=f"{where}: {problem}")
