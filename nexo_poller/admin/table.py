"""Every endpoint, a line each: what is served, checked, and described, all by this table."""

from collections.abc import Mapping
from typing import Any, Final

from quart import request

from nexo_poller.admin import cursors, events, files, health, jobs, messages, reloading, session, tool_calls
from nexo_poller.admin.openapi import openapi
from nexo_poller.admin.page import AFTER, PAGES
from nexo_poller.admin.route import Call, Route, Schema
from nexo_poller.admin.schemas import (
    CURSOR,
    DEAD_LETTER,
    DELETED,
    DETAILS,
    DONE,
    JOB,
    PAUSED,
    PENDING,
    PLAN,
    REPLAYED,
    REPORT,
    RESET,
    RESUMED,
    TICK,
    TOOL,
    TOOL_RESULT,
    list_of,
)

DESCRIPTION: Final = "/openapi.json"
DRY_RUN: Final[Schema] = {"type": "boolean", "default": False}
BASE64: Final[Schema] = {"type": ["string", "null"], "contentEncoding": "base64"}
PAGE: Final[Mapping[str, Schema]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 100},
    "after": {**AFTER, "description": "Only those beyond this id."},
}
WORDS: Final[Schema] = {"type": "string", "maxLength": 500}


def fields(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """A body: an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


async def describe(call: Call) -> dict[str, Any]:
    """What this table says, as OpenAPI."""
    return openapi(ROUTES, request.path.removesuffix(DESCRIPTION), call.rules)


ROUTES: Final = (
    Route(
        method="GET",
        path="/admin/pollers",
        handler=jobs.list_jobs,
        summary="Every job, in the order of the file, rejected ones last",
        answer=list_of(JOB),
    ),
    Route(
        method="GET",
        path="/admin/pollers/events",
        handler=events.stream_events,
        summary="What happens from now on, as server-sent events: tick, state, reload, delivery, lost",
        media_type=events.MEDIA_TYPE,
        query={"job": {"type": "string", "description": "Only what concerns this job."}},
        answer={"type": "string"},
        cost="light",
    ),
    Route(
        method="GET",
        path="/admin/pollers/{id}",
        handler=jobs.show_job,
        summary="Everything about one job",
        answer=DETAILS,
        failures=(404,),
    ),
    Route(
        method="POST",
        path="/admin/pollers/reload",
        handler=reloading.reload,
        summary="Read the configuration again and exchange the jobs that differ; a dry run only says which",
        query={"dry_run": DRY_RUN},
        answer=PLAN,
        failures=(409,),
        cost="lengthy",
    ),
    Route(
        method="POST",
        path="/admin/pollers/{id}/run",
        handler=jobs.run_job,
        summary="Run a tick now, due or not; a dry run saves and sends nothing",
        query={"dry_run": DRY_RUN},
        answer=REPORT,
        failures=(404, 409),
        cost="lengthy",
    ),
    Route(
        method="POST",
        path="/admin/pollers/{id}/pause",
        handler=jobs.pause_job,
        summary="Pause the job; who did and why is kept",
        body=fields(by=WORDS, reason=WORDS),
        answer=PAUSED,
        failures=(404, 409),
    ),
    Route(
        method="POST",
        path="/admin/pollers/{id}/resume",
        handler=jobs.resume_job,
        summary="Let the job run by its schedule again",
        answer=RESUMED,
        failures=(404, 409),
    ),
    Route(
        method="POST",
        path="/admin/pollers/{id}/reset",
        handler=jobs.reset_job,
        summary="Let the job start over: without a cursor, without errors, not paused",
        answer=RESET,
        failures=(404, 409),
    ),
    Route(
        method="GET",
        path="/admin/pollers/{id}/history",
        handler=jobs.job_history,
        summary="The job's latest ticks, newest first",
        query={"limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}},
        answer=list_of(TICK),
        failures=(404, 409),
    ),
    Route(
        method="GET",
        path="/admin/pollers/{id}/cursor",
        handler=cursors.show_cursor,
        summary="The job's cursor, in base64 and, where it is UTF-8, as text; nothing in it is masked",
        answer=CURSOR,
        failures=(404, 409),
    ),
    Route(
        method="PUT",
        path="/admin/pollers/{id}/cursor",
        handler=cursors.replace_cursor,
        summary="Give a paused job another cursor; its poller may refuse it",
        body={**fields(cursor=BASE64, text={"type": "string"}), "minProperties": 1, "maxProperties": 1},
        answer=CURSOR,
        failures=(404, 409),
    ),
    Route(
        method="GET",
        path="/admin/outbox",
        handler=messages.list_outbox,
        summary="Messages on their way, in the order of commit",
        query={**PAGE, "job": {"type": "string", "description": "Only those of this job."}},
        answer=list_of(PENDING),
    ),
    Route(
        method="GET",
        path="/admin/dead-letters",
        handler=messages.list_dead_letters,
        summary="Messages that were refused too often, oldest first",
        query=PAGE,
        answer=list_of(DEAD_LETTER),
    ),
    Route(
        method="DELETE",
        path="/admin/dead-letters",
        handler=messages.discard_dead_letters,
        summary="Delete all dead letters",
        answer=DELETED,
    ),
    Route(
        method="POST",
        path="/admin/dead-letters/{id}/replay",
        handler=messages.replay_dead_letter,
        summary="Send a dead letter again, with its event id",
        answer=REPLAYED,
        failures=(404,),
    ),
    Route(
        method="DELETE",
        path="/admin/dead-letters/{id}",
        handler=messages.discard_dead_letter,
        summary="Delete a dead letter",
        answer=DELETED,
        failures=(404,),
    ),
    Route(
        method="GET",
        path="/admin/tools",
        handler=tool_calls.list_tools,
        summary="The tools for language models",
        answer=list_of(TOOL),
    ),
    Route(
        method="POST",
        path="/admin/tools/{name}",
        handler=tool_calls.call_tool,
        summary="Call a tool in the name of an agent",
        body=fields(
            ("agent_id",), agent_id={"type": "string", "minLength": 1, "maxLength": 128}, arguments={"type": "object"}
        ),
        answer=TOOL_RESULT,
        failures=(404,),
        cost="lengthy",
    ),
    Route(
        method="POST",
        path=session.PATH,
        handler=session.open_session,
        summary="Get a cookie for the token",
        body=fields(("token",), token={"type": "string", "maxLength": 10_000}),
        answer=DONE,
        cost="light",
        is_public=True,
        needs_runner=False,
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=health.metrics,
        summary="The metrics, for Prometheus",
        media_type="text/plain",
        answer={"type": "string"},
        failures=(404,),
        cost="light",
        needs_runner=False,
    ),
    Route(
        method="GET",
        path="/healthz",
        handler=health.alive,
        summary="Whether the process answers",
        answer=DONE,
        cost="light",
        is_public=True,
        needs_runner=False,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=health.ready,
        summary="Whether the runner serves",
        answer=DONE,
        cost="light",
        is_public=True,
    ),
    Route(
        method="GET",
        path=DESCRIPTION,
        handler=describe,
        summary="This description",
        cost="light",
        needs_runner=False,
    ),
    *PAGES,
    Route(
        method="GET",
        path="/admin/static/{name}",
        handler=files.file,
        summary="A style, script or icon of the page",
        media_type="*/*",
        failures=(404,),
        cost="light",
        is_public=True,
        needs_runner=False,
    ),
)
