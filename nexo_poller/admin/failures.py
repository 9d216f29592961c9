"""What went wrong, as an answer: a status, and `{ok: false, error}` with whatever else is known."""

import logging
from collections.abc import Mapping
from typing import Any

from attrs import Factory, frozen
from werkzeug.exceptions import HTTPException

from nexo_poller.errors import (
    ConfigError,
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
    match error:
        case Failure():
            return error
        case ConfigError():
            return Failure(400, str(error), {"problems": [problem_json(problem) for problem in error.problems]})
        case JobUnknown() | ToolUnknown():
            return Failure(404, str(error))
        case JobRefused() | LeaseLost():
            return Failure(409, str(error))
        case HTTPException():
            return Failure(error.code or 500, error.description or error.name)
        case StoreError():
            return Failure(503, str(error))
        case NexoPollerError():
            return Failure(400, str(error))
        case _:
            log.error("a request failed", exc_info=error)
            return Failure(500, "this is an error in the daemon; its log says more")


def problem_json(problem: Problem) -> dict[str, str | None]:
    """A problem of a configuration, in the shape of `nexo-poller check --json`."""
    return {"where": problem.where, "job": problem.job, "what": problem.what, "remedy": problem.remedy}
