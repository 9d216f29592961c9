"""A kind that brings a tool along: language models can ask whether there is a new version, before the next tick does."""

from collections.abc import Mapping, Sequence
from typing import Any

from my_poller import VersionPoller

from nexo_poller import PollerRunner, Tool


async def check(runner: PollerRunner, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    tried = await runner.dry_run(arguments["id"])
    return {"is_new": bool(tried.outgoing), "error": tried.error, "asked_by": arguments["agent_id"]}


class VersionPollerWithTools(VersionPoller):
    def custom_tools(self) -> Sequence[Tool]:
        job_id = {"type": "string", "description": "The id of a job of kind `version`."}
        return [
            Tool(
                name="version_check",
                description="Ask the source of a version job whether it names a new version. Nothing is sent or saved.",
                parameters={"type": "object", "properties": {"id": job_id}, "required": ["id"]},
                handler=check,
            )
        ]
