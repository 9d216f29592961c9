"""Lengths of time in words, as short as a table wants them, and counts. The page's `static/times.js` says times alike."""

from datetime import timedelta
from typing import Final

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
TWO_UNITS: Final = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", SECOND, "s"))


def span(length: timedelta) -> str:
    """`length` (not negative) in whole seconds, in at most two units: `42 s`, `4 min 05 s`, `3 h 12 min`, `2 d 04 h`."""
    for unit, name, part, part_name in TWO_UNITS:
        if length >= unit:
            return f"{length // unit} {name} {length % unit // part:02} {part_name}"
    return f"{length // SECOND} s"


def took(duration: timedelta) -> str:
    """How long a tick took: `140 ms`, `4.1 s`, and from a minute on as a `span`."""
    if duration < SECOND:
        return f"{duration // timedelta(milliseconds=1)} ms"
    return f"{duration / SECOND:.1f} s" if duration < MINUTE else span(duration)


def counted(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`: for nouns whose plural is regular."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def ago(length: timedelta) -> str:
    """How long something is past: `12 s ago`, and `just now` within the second."""
    return "just now" if length < SECOND else f"{span(length)} ago"


def ahead(length: timedelta) -> str:
    """How long something is still to come: `in 3 min 05 s`, and `due now` from the last second on."""
    return "due now" if length < SECOND else f"in {span(length)}"
