"""The page: what people see, rendered here. What they do there goes through the JSON interface beside it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from quart import Response, url_for

from nexo_poller.admin.addresses import Addresses
from nexo_poller.admin.guard import Guard
from nexo_poller.admin.incoming import MOST
from nexo_poller.admin.listing import Query, listing
from nexo_poller.admin.outgoing import bytes_response
from nexo_poller.admin.rendering import render
from nexo_poller.admin.route import Call, Handler, Route, Schema
from nexo_poller.clock import SystemClock
from nexo_poller.errors import JobUnknown
from nexo_poller.runner.condition import Condition

HTML: Final = "text/html; charset=utf-8"
MESSAGES_A_PAGE: Final = 50
MESSAGES_OF_A_JOB: Final = 20
TICKS_OF_A_JOB: Final = 50
QUERY: Final = ("q", "kind", "agent", "state", "order", "page")
TEXT: Final[Schema] = {"type": "string"}
WORD: Final[Schema] = {"type": "string", "default": ""}
AFTER: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": MOST, "default": 0}

View = Callable[[Call], Awaitable[str]]


async def jobs(call: Call) -> str:
    """The table of jobs."""
    query = Query.from_arguments(call.query)
    found = listing(await call.runner.list_jobs(), query)
    recent = await call.runner.recent_ticks([job.id for job in found.jobs if not job.is_rejected])
    return await _live(call, "jobs.html", "", query=query, listing=found, recent=recent, conditions=[*Condition])


async def job(call: Call) -> str:
    """One job: how it is, what it did, what it is told to do."""
    job_id = call.path["id"]
    details = await call.runner.details(job_id)
    if details.view.is_rejected:
        return await _live(call, "job.html", "job", job=details.view, details=details)
    return await _live(
        call,
        "job.html",
        "job",
        job=details.view,
        details=details,
        history=await call.runner.history(job_id, TICKS_OF_A_JOB),
        waiting=await call.runner.outbox(MESSAGES_OF_A_JOB, job_id=job_id),
        dead=await call.runner.dead_letters(MESSAGES_OF_A_JOB, job_id=job_id),
    )


async def outbox(call: Call) -> str:
    """What waits to be delivered."""
    messages = await call.runner.outbox(MESSAGES_A_PAGE, after=call.query["after"])
    return await _live(
        call,
        "outbox.html",
        "outbox",
        messages=messages,
        a_page=MESSAGES_A_PAGE,
        unrouted=sorted(call.runner.unrouted()),
    )


async def dead_letters(call: Call) -> str:
    """What was refused for good."""
    messages = await call.runner.dead_letters(MESSAGES_A_PAGE, after=call.query["after"])
    return await _live(call, "dead-letters.html", "dead-letters", messages=messages, a_page=MESSAGES_A_PAGE)


def _route(path: str, view: View, summary: str, **more: Any) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=_for_people(view),
        summary=summary,
        answer=TEXT,
        media_type="text/html",
        is_public=True,
        needs_runner=False,
        **more,
    )


def _for_people(view: View) -> Handler:
    """The handler of a page: whoever has not shown the token is asked for it, and what goes wrong is a page, too."""

    async def handler(call: Call) -> Response:
        if not Guard(call.rules, SystemClock().now).knows_caller():
            return _html(_page("token.html"), 401)
        if not call.runner.is_serving:
            return _html(
                _page("refused.html", title="The daemon does not serve yet, or no more", what="", again=5), 503
            )
        try:
            return _html(await view(call))
        except JobUnknown as error:
            return _html(_page("refused.html", title="No such job", what=str(error), again=None), 404)

    return handler


async def _live(call: Call, template: str, here: str, **values: Any) -> str:
    """A page with the daemon's figures at its top; `here` is its place there."""
    statistics = await call.runner.statistics()
    return _page(template, here=here, mask=call.runner.mask, statistics=statistics, **values)


def _page(template: str, **values: Any) -> str:
    return render(template, at=Addresses(url_for(".page")), now=SystemClock().now(), **values)


def _html(page: str, status: int = 200) -> Response:
    return bytes_response(page.encode(errors="replace"), HTML, status)


PAGES: Final = (
    _route("/", jobs, "The page: the table of jobs", query=dict.fromkeys(QUERY, WORD)),
    _route("/jobs/{id}", job, "The page of one job", failures=(404,)),
    _route("/outbox", outbox, "The page of the outbox", query={"after": AFTER}),
    _route("/dead-letters", dead_letters, "The page of the dead letters", query={"after": AFTER}),
)
