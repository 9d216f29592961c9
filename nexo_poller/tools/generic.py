"""The tools that every runner has: look at jobs, run, pause, resume and reset them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from nexo_poller.runner.runner import PollerRunner
from nexo_poller.shapes import dry_run, job_details, job_summary, tick_report
from nexo_poller.tool import AGENT_ID, Tool

A_RUN: Final = timedelta(minutes=6)  # a tick may take 5, unless its file says otherwise
LONGEST_PAGE: Final = 200
JOB_ID: Final = {"type": "string", "description": "The job's id, as pollers_list gives it."}


def object_schema(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [*required],
        "additionalProperties": False,
    }


ONE_JOB: Final = object_schema({"id": JOB_ID}, required=("id",))


async def list_jobs(runner: PollerRunner, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the jobs, and how many there are in all."""
    wanted = {name: arguments[name] for name in ("kind", "agent") if name in arguments}
    found = [job for job in map(job_summary, await runner.list_jobs()) if wanted.items() <= job.items()]
    first = arguments.get("offset", 0)
    return {"jobs": found[first : first + arguments.get("limit", 100)], "total": len(found)}


async def show_job(runner: PollerRunner, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about one job."""
    return job_details(await runner.details(arguments["id"]))


async def run_job(runner: PollerRunner, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A tick now, committed or dry."""
    if arguments.get("dry_run", False):
        return dry_run(await runner.dry_run(arguments["id"]))
    return tick_report(await runner.run_once(arguments["id"]))


async def pause_job(runner: PollerRunner, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Stop the schedule, and keep who did and why."""
    why = arguments.get("reason", "paused with a tool")
    await runner.pause(arguments["id"], reason=f"{arguments[AGENT_ID]}: {why}")
    return {"ok": True, "paused": True}


async def resume_job(runner: PollerRunner, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Let the schedule go on."""
    await runner.resume(arguments["id"])
    return {"ok": True, "paused": False}


async def reset_job(runner: PollerRunner, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Start over."""
    await runner.reset_cursor(arguments["id"])
    return {"ok": True, "reset": True}


GENERIC_TOOLS: Final = (
    Tool(
        name="pollers_list",
        description=(
            "List the polling jobs with their state: when each ran and runs next, how its last tick ended, its errors "
            "in a row, whether it is paused. Times are milliseconds since the epoch."
        ),
        parameters=object_schema(
            {
                "kind": {"type": "string", "description": "Only jobs of this kind."},
                "agent": {"type": "string", "description": "Only jobs of this agent."},
                "limit": {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": 100},
                "offset": {"type": "integer", "minimum": 0, "default": 0},
            }
        ),
        handler=list_jobs,
    ),
    Tool(
        name="pollers_show",
        description=(
            "Show one polling job: what pollers_list tells, and its configuration (secrets masked), schedule, lease, and "
            "the size and digest of its cursor."
        ),
        parameters=ONE_JOB,
        handler=show_job,
    ),
    Tool(
        name="pollers_run",
        description=(
            "Run one tick of a polling job now, even if it is paused or not due. What it finds is sent. With dry_run "
            "nothing is sent or saved, and the messages that it would send come back. Its schedule stays as it is."
        ),
        parameters=object_schema({"id": JOB_ID, "dry_run": {"type": "boolean", "default": False}}, required=("id",)),
        handler=run_job,
        timeout=A_RUN,
    ),
    Tool(
        name="pollers_pause",
        description="Pause a polling job: it runs no more by its schedule until pollers_resume.",
        parameters=object_schema(
            {
                "id": JOB_ID,
                "reason": {"type": "string", "maxLength": 500, "description": "Why, for the operator who finds it."},
            },
            required=("id",),
        ),
        handler=pause_job,
    ),
    Tool(
        name="pollers_resume",
        description="Let a paused polling job run by its schedule again.",
        parameters=ONE_JOB,
        handler=resume_job,
    ),
    Tool(
        name="pollers_reset",
        description=(
            "Make a polling job start over: its cursor and its errors are deleted for good and it is resumed. "
            "It may send again what it has sent before. Only do this when asked to."
        ),
        parameters=ONE_JOB,
        handler=reset_job,
    ),
)
