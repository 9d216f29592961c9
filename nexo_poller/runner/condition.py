"""How a job is, in one word."""

from enum import StrEnum

from nexo_poller.runner.views import JobView
from nexo_poller.state import FIRED


class Condition(StrEnum):
    """The words of `StoreStatistics`, worst first; each has a symbol of the same name on the page."""

    REJECTED = "rejected"
    FAILING = "failing"
    PAUSED = "paused"
    RUNNING = "running"
    FIRED = "fired"


def condition(job: JobView) -> Condition:
    """The one word. A pause hides errors, as in `StoreStatistics`: a paused job needs nobody tonight. A stale one does."""
    if job.is_rejected:
        return Condition.REJECTED
    if job.pause_reason is not None:
        return Condition.FIRED if job.pause_reason == FIRED else Condition.PAUSED
    return Condition.FAILING if job.consecutive_errors or job.stale else Condition.RUNNING
