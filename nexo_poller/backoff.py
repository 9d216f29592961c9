"""How long a job waits after a transient error (T10)."""

from datetime import timedelta

SHORTEST = timedelta(seconds=30)
LONGEST = timedelta(seconds=300)
LONGEST_RETRY_AFTER = timedelta(hours=24)
MAX_DOUBLINGS = 40  # 30 s * 2 ** 42 overflows timedelta, and a count of errors has no upper end


def retry_delay(errors: int, interval: timedelta, luck: float, retry_after: timedelta | None = None) -> timedelta:
    """The pause after the `errors`-th (>= 1) transient error in a row.

    Doubles from min(30 s, interval) up to max(300 s, interval). Half of it is fixed and `luck` (0..1, uniform) picks the
    rest, so that jobs which failed together do not return together. A longer `retry_after`, which is what the server asked
    for, wins as it is, up to 24 h.
    Source: "equal jitter" in M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
    """
    shortest, longest = min(SHORTEST, interval), max(LONGEST, interval)
    pause = min(shortest * 2.0 ** min(errors - 1, MAX_DOUBLINGS), longest) * (1 + luck) / 2
    return pause if retry_after is None else max(pause, min(retry_after, LONGEST_RETRY_AFTER))
