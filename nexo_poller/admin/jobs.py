"""The jobs: to be listed, shown, run, paused, resumed and reset."""

import json
from functools import partial
from typing import Any, Final

import trio
from quart import Response

from nexo_poller.admin.masked import masked
from nexo_poller.admin.outgoing import JSON, bytes_response
from nexo_poller.admin.route import Call
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.shapes import dry_run, job_details, job_summary, tick_record, tick_report

JOBS_A_TURN: Final = 100


async def list_jobs(call: Call) -> Response:
    """Every job, in the order of the file, rejected ones last."""
    return bytes_response(await call.limits.listing.get(partial(rendered_jobs, call.runner)), JSON)


async def rendered_jobs(runner: PollerRunner) -> bytes:
    """All jobs as JSON. On the loop, in turns of a few milliseconds: those of a thread would be longer."""
    views = await runner.list_jobs()
    turns = []
    for start in range(0, len(views), JOBS_A_TURN):
        turns.append(json.dumps([*map(job_summary, views[start : start + JOBS_A_TURN])])[1:-1])
        await trio.lowlevel.checkpoint()
    return f"[{', '.join(turns)}]".encode()


async def show_job(call: Call) -> dict[str, Any]:
    """Everything about one job."""
    return job_details(await call.runner.details(call.path["id"]))


async def run_job(call: Call) -> Any:
    """A tick now, committed or dry; a client that goes away leaves it running to its end (R4)."""
    if call.query["dry_run"]:
        return await masked(dry_run(await call.runner.dry_run(call.path["id"])), call.runner)
    return tick_report(await call.runner.run_once(call.path["id"]))


async def pause_job(call: Call) -> dict[str, Any]:
    """Stop the schedule, and keep who did and why."""
    words = [call.body[part].strip() for part in ("by", "reason") if call.body.get(part, "").strip()]
    reason = {"reason": ": ".join(words)} if words else {}
    is_change = await call.runner.pause(call.path["id"], **reason)
    return {"ok": True, "paused": True, "changed": is_change}


async def resume_job(call: Call) -> dict[str, Any]:
    """Let the schedule go on."""
    is_change = await call.runner.resume(call.path["id"])
    return {"ok": True, "paused": False, "changed": is_change}


async def reset_job(call: Call) -> dict[str, Any]:
    """Start over: no cursor, no errors, not paused."""
    await call.runner.reset_cursor(call.path["id"])
    return {"ok": True, "reset": True}


async def job_history(call: Call) -> list[dict[str, Any]]:
    """The latest ticks, newest first."""
    return [*map(tick_record, await call.runner.history(call.path["id"], call.query["limit"]))]
