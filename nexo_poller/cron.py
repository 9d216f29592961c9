"""Which wall times a six-field cron expression names (T6). When a zone shows them is told by `daylight`.

    sec min hour dom mon dow        each a comma-separated list of
    *   5   1-5   */10   5/10   1-30/10   jan   mon-fri
    ?                               in dom and dow, alone: the same as *
    L                               in dom: the last day of the month
    fri#2   L5   5L   friL          in dow: the second Friday; the last Friday

`5/10` counts from 5 to the end of the field. In dow, 0 and 7 are Sunday. Refused, because crons disagree on them: a range
that wraps around (`22-4`) and a step longer than its field (`*/90`).

If dom and dow are both restricted, that is, neither starts with `*` or `?`, a day that either of them names will do;
otherwise a day must be named by both: `*/2` in dom beside `mon` in dow means the Mondays among the odd days, as in Vixie
cron. croniter is no help here: besides taking far more, it reads `5-5` as `*`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

from attrs import frozen

from nexo_poller.errors import ConfigError, Problem
from nexo_poller.walltimes import DAYS_OF_WEEK, EVERY, LAST, WallTimes

V = TypeVar("V")


@frozen
class Field:
    """One of the six: what people call it, its range, and the names of its numbers from `low` on."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS)
WEEKDAY = Field("day of week", 0, 7, WEEKDAYS)
FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)

RANGE = re.compile(r"(?:\*|(?P<first>\w{1,4})(?:-(?P<last>\w{1,4}))?)(?:/(?P<step>\d{1,4}))?", re.ASCII)
NTH_WEEKDAY = re.compile(r"(?P<weekday>\w+)#(?P<nth>[1-5])", re.ASCII)
LAST_WEEKDAY = re.compile(r"L(?P<after>\w+)|(?P<before>\w+)L", re.ASCII | re.IGNORECASE)
MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}


@lru_cache(maxsize=1024)  # many jobs, few expressions
def expand(expression: str) -> WallTimes:
    """The wall times that a six-field expression names.

    Raises `ConfigError` with every problem: not six fields, terms that make no sense, a day that never comes.
    """
    texts = expression.split()
    if len(texts) != len(FIELDS):
        raise ConfigError(_not_six(expression, texts))
    for day_field in (3, 5):
        texts[day_field] = "*" if texts[day_field] == "?" else texts[day_field]
    problems: list[Problem] = []

    def read(field: Field, expand_term: Callable[[Field, str], Iterable[V]]) -> set[V]:
        values: set[V] = set()
        for term in texts[FIELDS.index(field)].split(","):
            try:
                values.update(expand_term(field, term))
            except ConfigError as error:
                problems.extend(error.problems)
        return values

    times = WallTimes(
        seconds=tuple(sorted(read(SECOND, _numbers))),
        minutes=tuple(sorted(read(MINUTE, _numbers))),
        hours=tuple(sorted(read(HOUR, _numbers))),
        days=frozenset(read(DAY, _days)),
        months=tuple(sorted(read(MONTH, _numbers))),
        weekdays=frozenset(read(WEEKDAY, _weekdays)),
        either_day=not texts[3].startswith("*") and not texts[5].startswith("*"),
        is_wildcard=texts[1].startswith("*") or texts[2].startswith("*"),
    )
    if not problems and not times.ever_matches():
        problems.append(Problem(what=f"cron '{expression}' never fires", remedy="no month it names has such a day"))
    if problems:
        raise ConfigError(*problems)
    return times


def _not_six(expression: str, texts: Sequence[str]) -> Problem:
    form = "second minute hour day-of-month month day-of-week"
    match texts:
        case [macro] if macro.lower() in MACROS:
            remedy = f'write "{MACROS[macro.lower()]}"'
        case [_, _, _, _, _]:
            remedy = f'the first of six is the second: "0 {" ".join(texts)}"'
        case [*six, _] if len(six) == len(FIELDS):
            remedy = f'there is no field for years: "{" ".join(six)}"'
        case _:
            remedy = f'write "{form}", such as "0 */5 * * * *"'
    return Problem(what=f"cron '{expression}' is not of six fields", remedy=remedy)


def _days(field: Field, term: str) -> Iterable[int]:
    return [LAST] if term.upper() == "L" else _numbers(field, term)


def _weekdays(field: Field, term: str) -> Iterable[tuple[int, int]]:
    if match := NTH_WEEKDAY.fullmatch(term):
        return [(_number(field, match["weekday"], term) % DAYS_OF_WEEK, int(match["nth"]))]
    if match := LAST_WEEKDAY.fullmatch(term):
        return [(_number(field, match["after"] or match["before"], term) % DAYS_OF_WEEK, LAST)]
    return [(number % DAYS_OF_WEEK, EVERY) for number in _numbers(field, term)]


def _numbers(field: Field, term: str) -> Iterable[int]:
    match = RANGE.fullmatch(term)
    if match is None:
        raise _bad(field, term, "is not understood")
    first, last, step = match["first"], match["last"], int(match["step"] or 1)
    low = _number(field, first, term) if first else field.low
    high = low if first and not match["step"] else field.high
    if last:
        high = _number(field, last, term)
        high = DAYS_OF_WEEK if field is WEEKDAY and high == 0 else high  # a week may end on Sunday
    if high < low:
        raise _bad(field, term, "runs backwards", f"write {low}-{field.high},{field.low}-{high}")
    if not 1 <= step <= field.high:
        raise _bad(field, term, f"steps by {step}", f"a step is 1 to {field.high}")
    return range(low, high + 1, step)


def _number(field: Field, text: str, term: str) -> int:
    if text.lower() in field.names:
        return field.low + field.names.index(text.lower())
    if not text.isdecimal():
        raise _bad(field, term, "is not understood")
    number = int(text)
    if not field.low <= number <= field.high:
        raise _bad(field, term, f"is not within {field.low}-{field.high}")
    return number


def _bad(field: Field, term: str, what: str, remedy: str = "") -> ConfigError:
    names = f" or {'|'.join(field.names)}" if field.names else ""
    general = f"use {field.low}-{field.high}{names}, with * , - and /"
    place = f"field {FIELDS.index(field) + 1} of cron ({field.title})"
    return ConfigError(Problem(what=f"{place}: '{term}' {what}", remedy=remedy or general))
