"""What went wrong, as an answer: a status, and `{ok: false, error}` with whatever else is known."""

import logging
from collections.abc import Mapping
from typing import Any

from attrs import Factory, frozen
from werkzeug.exceptions import HTTPException

from nexo_poller.errors import (
    ConfigError,
    DeadLetterUnknown,
    JobRefused,
    JobUnknown,
    LeaseLost,
    NexoPollerError,
    Problem,
    StoreError,
    ToolUnknown,
)

log = logging.getLogger(__name__)


@frozen
class Failure(Exception):
    """A request that comes to nothing. `more` joins `ok` and `error` in the answer."""

    status: int
    error: str
    more: Mapping[str, Any] = Factory(dict)
    headers: Mapping[str, str] = Factory(dict)

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"ok": False, "error": self.error, **self.more}


def failure(error: Exception) -> Failure:
    """The answer to an error. One that nobody foresaw is logged, and the answer says no more than that."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, HTTPException):
        return Failure(error.code or 500, error.description or error.name)
    if isinstance(error, NexoPollerError):
        return Failure(_status(error), str(error), _more(error))
    log.error("a request failed", exc_info=error)
    return Failure(500, "this is an error in the daemon; its log says more")


def _problem_json(problem: Problem) -> dict[str, str | None]:
    """A problem of a configuration, in the shape of `nexo-poller check --json`."""
    return {"where": problem.where, "job": problem.job, "what": problem.what, "remedy": problem.remedy}


def _status(error: NexoPollerError) -> int:
    match error:
        case JobUnknown() | ToolUnknown() | DeadLetterUnknown():
            return 404
        case JobRefused() | LeaseLost():
            return 409
        case StoreError():
            return 503
        case _:
            return 400


def _more(error: NexoPollerError) -> dict[str, Any]:
    match error:
        case ConfigError():
            return {"problems": [_problem_json(problem) for problem in error.problems]}
        case _:
            return {}
