"""The circuit breaker of a job, as people and metrics see it. It adds no waiting of its own: backoff does that (T10)."""

from enum import IntEnum


class Breaker(IntEnum):
    """The numbers are those of the metric `poller_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


def breaker(errors: int, threshold: int, due: bool) -> Breaker:
    """Closed below `threshold` errors in a row; then open, and half-open once the job is due for its next try."""
    if errors < threshold:
        return Breaker.CLOSED
    return Breaker.HALF_OPEN if due else Breaker.OPEN
