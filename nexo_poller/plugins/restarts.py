"""When a program that ended is started again."""

from datetime import timedelta
from typing import Final

STEADY: Final = timedelta(seconds=60)  # a program that ran for so long was well
LONGEST_PAUSE: Final = timedelta(seconds=60)
MOST_DOUBLINGS: Final = 6  # beyond the longest pause, and a count of ends has no limit


def short_lives(before: int, lived: timedelta) -> int:
    """How many lives in a row have been short, after one more that lasted for `lived`."""
    return 0 if lived >= STEADY else before + 1


def restart_pause(short_lives: int) -> timedelta:
    """The pause after so many short lives in a row: none after the first, then 1, 2, 4, … 60 seconds."""
    if short_lives <= 1:
        return timedelta()
    return min(timedelta(seconds=2 ** min(short_lives - 2, MOST_DOUBLINGS)), LONGEST_PAUSE)
