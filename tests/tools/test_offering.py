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
        *("a_one", "a_two"),
        *("gmail_count_unread", "gmail_search", "gmail_message_get", "gmail_mark_read", "gmail_mark_unread"),
        *("gmail_labels_list", "z_one"),
    ]


def test_jobs_can_be_neither_made_nor_deleted() -> None:
    words = {word for tool in offer().list() for word in tool.name.split("_")}
    assert words & {"create", "add", "delete", "remove", "set", "write", "reload"} == set()


def test_a_poller_brings_no_tools_unless_it_says_so() -> None:
    assert collect_custom_tools([poller_with()]) == []
    assert Poller[None]().custom_tools() == ()


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        ([tool("jira search")], "the tool 'jira search' of the poller 'jira': no provider takes such a name (use 1 to"),
        ([tool("")], "no provider takes such a name"),
        ([tool("x" * 65)], "no provider takes such a name"),
        ([tool("jira_search\n")], "no provider takes such a name"),
        ([tool(), tool()], "the poller 'jira' has one of that name (begin it with the poller's kind)"),
        ([tool("pollers_run")], "the tool 'pollers_run' of the poller 'jira': every runner has one of that name"),
        ([tool(parameters={})], "the poller 'jira': its parameters are no schema of an object (begin with"),
        ([tool(parameters=None)], "its parameters are no schema of an object"),
        ([tool(parameters={"type": "object", "required": "project"})], "no JSON Schema: $.required: 'project' is not"),
        ([tool(parameters={"type": "object", "properties": {"agent_id": {}}})], "have a property `agent_id`"),
        ([tool(parameters={"type": "object", "properties": 5})], "no JSON Schema: $.properties: 5 is not"),
        (["jira_search"], "the poller 'jira' cannot tell its tools: TypeError: 'jira_search' is no Tool"),
    ],
)
def test_a_tool_that_some_provider_would_refuse_is_refused_here_in_clear_words(offered: list[Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        offer(poller_with(*offered))
    assert words in str(raised.value)


def test_every_problem_of_every_poller_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        offer(Broken(), poller_with(tool(), its_kind="a"), poller_with(tool(), tool("a b"), tool("c", parameters=1)))
    assert [problem.what.partition(" (")[0] for problem in raised.value.problems] == [
        "the poller 'broken' cannot tell its tools: OSError: no such file",
        "the tool 'jira_search' of the poller 'jira': the poller 'a' has one of that name",
        "the tool 'a b' of the poller 'jira': no provider takes such a name",
        "the tool 'c' of the poller 'jira': its parameters are no schema of an object",
    ]


def test_a_tool_without_a_name_or_a_handler_is_none() -> None:
    for wrong in ({"name": 5}, {"description": None}, {"handler": "handle"}):
        fields: dict[str, Any] = {"name": "a", "description": "", "parameters": SCHEMA, "handler": handle, **wrong}
        with pytest.raises(TypeError):
            Tool(**fields)


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
