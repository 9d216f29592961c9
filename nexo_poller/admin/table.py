"""Every endpoint, a line each: what is served, checked, and described, all by this table."""

from typing import Final

from nexo_poller.admin import health, jobs, session
from nexo_poller.admin.route import Route, Schema

DRY_RUN: Final[Schema] = {"type": "boolean", "default": False}
TEXT: Final[Schema] = {"type": "string", "maxLength": 500}

ROUTES: Final = (
    Route(method="GET", path="/admin/pollers", handler=jobs.list_jobs, summary="Every job"),
    Route(method="GET", path="/admin/pollers/{id}", handler=jobs.show_job, summary="One job", failures=(404,)),
    Route(
        method="POST",
        path="/admin/pollers/{id}/run",
        handler=jobs.run_job,
        summary="Run a tick now",
        query={"dry_run": DRY_RUN},
        failures=(404, 409),
        cost="lengthy",
    ),
    Route(
        method="POST",
        path="/admin/pollers/{id}/pause",
        handler=jobs.pause_job,
        summary="Pause",
        body={"type": "object", "properties": {"by": TEXT, "reason": TEXT}, "additionalProperties": False},
        failures=(404, 409),
    ),
    Route(
        method="POST",
        path="/admin/pollers/{id}/resume",
        handler=jobs.resume_job,
        summary="Resume",
        failures=(404, 409),
    ),
    Route(
        method="POST", path="/admin/pollers/{id}/reset", handler=jobs.reset_job, summary="Reset", failures=(404, 409)
    ),
    Route(
        method="GET",
        path="/admin/pollers/{id}/history",
        handler=jobs.job_history,
        summary="Its latest ticks",
        query={"limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}},
        failures=(404, 409),
    ),
    Route(
        method="POST",
        path=session.PATH,
        handler=session.open_session,
        summary="Get a cookie for the token",
        body={
            "type": "object",
            "properties": {"token": {"type": "string", "maxLength": 10_000}},
            "required": ["token"],
            "additionalProperties": False,
        },
        failures=(401,),
        cost="light",
        is_public=True,
        needs_runner=False,
    ),
    Route(
        method="GET",
        path="/healthz",
        handler=health.alive,
        summary="Alive",
        cost="light",
        is_public=True,
        needs_runner=False,
    ),
    Route(method="GET", path="/readyz", handler=health.ready, summary="Ready", cost="light", is_public=True),
)
