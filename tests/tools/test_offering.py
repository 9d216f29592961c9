"""Which tools can be offered, and in which shapes."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from anthropic.types import ToolParam
from mcp.types import ListToolsResult
from openai.types.chat import ChatCompletionFunctionToolParam
from pydantic import TypeAdapter

from nexo_poller import Config, ConfigError, Poller, PollerRunner, Tool
from nexo_poller.tools import ToolRegistry, collect_custom_tools, tools

SCHEMA = {"type": "object", "properties": {"project": {"type": "string"}}, "required": ["project"]}


async def handle(_: PollerRunner, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    raise NotImplementedError


def tool(name: str = "jira_search", parameters: Any = SCHEMA) -> Tool:
    return Tool(name=name, description="Search issues.", parameters=parameters, handler=handle)


def poller_with(*offered: Any, its_kind: str = "jira") -> Poller[None]:
    class Jira(Poller[None]):
        kind = its_kind
        config_type = type(None)

        def custom_tools(self) -> list[Any]:
            return [*offered]

    return Jira()


class Broken(Poller[None]):
    kind = "broken"
    config_type = type(None)

    def custom_tools(self) -> list[Tool]:
        raise OSError("no such file")


def offer(*pollers: Poller[Any]) -> ToolRegistry:
    runner = PollerRunner(Config())
    for poller in pollers:
        runner.register(poller)
    return tools(runner)


def test_the_generic_tools_come_first_then_those_of_the_pollers_by_kind() -> None:
    registry = offer(poller_with(tool("z_one"), its_kind="z"), poller_with(tool("a_one"), tool("a_two"), its_kind="a"))
    assert [tool.name for tool in registry.list()] == [
        *("pollers_list", "pollers_show", "pollers_run", "pollers_pause", "pollers_resume", "pollers_reset"),
        *("a_one", "a_two", "z_one"),
    ]


def test_jobs_can_be_neither_made_nor_deleted() -> None:
    words = {word for tool in offer().list() for word in tool.name.split("_")}
    assert words & {"create", "add", "delete", "remove", "set", "write", "reload"} == set()


def test_a_poller_brings_no_tools_unless_it_says_so() -> None:
    assert collect_custom_tools(PollerRunner(Config()).pollers) == []


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        ([tool("jira search")], "'jira search' is no name for a tool (use 1 to 64 of a-z A-Z 0-9 _ -)"),
        ([tool("")], "'' is no name for a tool"),
        ([tool("x" * 65)], "is no name for a tool"),
        ([tool("jira_search\n")], "is no name for a tool"),
        ([tool(), tool()], "2 tools are called 'jira_search' (begin each name with its poller's kind)"),
        ([tool("pollers_run")], "2 tools are called 'pollers_run'"),
        ([tool(parameters={})], "the tool 'jira_search': its parameters are no schema of an object"),
        ([tool(parameters=None)], "its parameters are no schema of an object"),
        ([tool(parameters={"type": "object", "required": "project"})], "no JSON Schema: $.required: 'project' is not"),
        ([tool(parameters={"type": "object", "properties": {"agent_id": {}}})], "have a property `agent_id`"),
        (["jira_search"], "the tools of the poller 'jira' cannot be had: TypeError: 'jira_search' is no Tool"),
    ],
)
def test_a_tool_that_some_provider_would_refuse_is_refused_here_in_clear_words(offered: list[Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        offer(poller_with(*offered))
    assert words in str(raised.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        offer(poller_with(tool("a b"), tool("pollers_run"), tool("c", parameters=1)))
    assert len(raised.value.problems) == 3


def test_a_poller_that_fails_to_tell_its_tools_is_named() -> None:
    with pytest.raises(ConfigError, match=r"the poller 'broken' cannot be had: OSError: no such file"):
        offer(Broken(), poller_with(tool()))


def strictly(type_: Any, value: Iterable[Any]) -> Any:
    """`value`, if the provider's own types take it and leave nothing out."""
    return TypeAdapter(list[type_]).validate_python([*value])


def test_the_export_for_openai_is_what_its_package_takes() -> None:
    exported = offer(poller_with(tool())).openai()
    assert strictly(ChatCompletionFunctionToolParam, exported) == exported
    assert exported[-1] == {
        "type": "function",
        "function": {"name": "jira_search", "description": "Search issues.", "parameters": SCHEMA},
    }


def test_the_export_for_anthropic_is_what_its_package_takes() -> None:
    exported = offer(poller_with(tool())).anthropic()
    assert strictly(ToolParam, exported) == exported
    assert exported[-1] == {"name": "jira_search", "description": "Search issues.", "input_schema": SCHEMA}


def test_the_export_for_mcp_is_what_its_package_takes() -> None:
    exported = offer(poller_with(tool())).mcp()
    taken = ListToolsResult.model_validate({"tools": exported}).model_dump(by_alias=True, exclude_unset=True)
    assert taken["tools"] == exported
    assert exported[-1] == {"name": "jira_search", "description": "Search issues.", "inputSchema": SCHEMA}
