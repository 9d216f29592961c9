"""A program that answers the calls of a language model; here a fake model asks, reads what went wrong, and asks again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import trio
from version_tools import VersionPollerWithTools

from nexo_poller import PollerRunner, ToolError
from nexo_poller.tools import ToolRegistry, tools

Answers = Sequence[str]


def fake_model(tools: Sequence[Mapping[str, Any]], answers: Answers) -> Mapping[str, Any]:
    """What a provider's client would return: a call of a tool, or the last word."""
    if not answers:
        print("the model is told of:", [tool["name"] for tool in tools])
        return {"call": "version_check", "arguments": {"job": "release"}}
    if answers[-1].startswith("error"):
        return {"call": "version_check", "arguments": {"id": "release"}}
    return {"text": "There is a new version." if json.loads(answers[-1])["is_new"] else "There is none."}


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
        registry, answers = tools(runner), list[str]()
        while "call" in (said := fake_model(registry.anthropic(), answers)):
            answers.append(await answer(registry, said["call"], said["arguments"]))
            print(answers[-1])
        print(said["text"])
        await runner.shutdown()


trio.run(main)
