"""A second opinion on schedules: slow, simple, written from rules T1, T6 and T7, sharing no line with the library.

It looks at every minute of the clock on the wall, in the order in which a zone shows them, and keeps the latest wall time
seen so far. A minute below that mark is shown for the second time; minutes between the mark and the next one shown were
skipped by a gap.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
WARM_UP = timedelta(hours=50)  # no zone ever went back by more than a day
RANGES = {"sec": (0, 59), "min": (0, 59), "hour": (0, 23), "dom": (1, 31), "mon": (1, 12), "dow": (0, 7)}
WORDS = {
    "mon": ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "dow": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}


def slots_between(schedule: Mapping[str, Any], anchor: datetime, start: datetime, end: datetime) -> list[datetime]:
    """Every slot with `start <= slot < end` (aware), ascending, UTC, of a `schedule:` mapping as in the file.

    `anchor` is the creation of the job: the first slot of an `every_secs`. Good for some weeks at a time.
    """
    return list(slots(schedule, anchor, start, end))


def slots(schedule: Mapping[str, Any], anchor: datetime, start: datetime, end: datetime) -> Iterator[datetime]:
    """The same, lazily."""
    if "every_secs" in schedule:
        every = timedelta(seconds=schedule["every_secs"])
        found = _steps(anchor + max(0, (start - anchor) // every) * every, end, every)
    elif "at" in schedule:
        found = iter([datetime.fromisoformat(schedule["at"])])
    else:
        fields = dict(zip(RANGES, schedule["cron"].lower().split(), strict=True))
        found = _cron_slots(fields, ZoneInfo(schedule.get("tz", "UTC")), start, end)
    return (slot.astimezone(UTC) for slot in found if start <= slot < end)


def is_named_day(fields: Mapping[str, str], day: date) -> bool:
    """Whether a cron expression, as a mapping from `RANGES`' names to fields, names this day."""
    if not _takes("mon", fields["mon"], day.month):
        return False
    dom, dow = fields["dom"], fields["dow"]
    by_dom, by_dow = _takes_day(dom, day), _takes_weekday(dow, day)
    if dom[0] in "*?" or dow[0] in "*?":
        return by_dom and by_dow
    return by_dom or by_dow


def _steps(moment: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while moment < end:
        yield moment
        moment += step


def _cron_slots(fields: Mapping[str, str], zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    is_wildcard = fields["min"].startswith("*") or fields["hour"].startswith("*")
    first = (start - WARM_UP).astimezone(UTC).replace(second=0, microsecond=0)
    mark = _wall(first, zone)  # the first wall minute not yet shown
    for minute in _steps(first, end, MINUTE):
        wall = _wall(minute, zone)
        named = [minute + second * SECOND for second in _seconds(fields, wall)]
        if is_wildcard:
            yield from named
        elif wall >= mark:
            skipped = any(_seconds(fields, gone) for gone in _steps(mark, wall, MINUTE))
            yield from sorted({minute, *named}) if skipped else named
        mark = max(mark, wall + MINUTE)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    wall = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    assert wall.second == 0, f"{zone} was not on whole minutes at {moment}"
    return wall


def _seconds(fields: Mapping[str, str], wall: datetime) -> list[int]:
    """The seconds of this wall minute that are named."""
    if not _takes("min", fields["min"], wall.minute) or not _takes("hour", fields["hour"], wall.hour):
        return []
    if not is_named_day(fields, wall.date()):
        return []
    return [second for second in range(60) if _takes("sec", fields["sec"], second)]


@cache
def _takes_day(dom: str, day: date) -> bool:
    is_last = day.day == monthrange(day.year, day.month)[1]
    return any(is_last if term == "l" else _takes("dom", term, day.day) for term in dom.split(","))


@cache
def _takes_weekday(dow: str, day: date) -> bool:
    return any(_term_takes_weekday(term, day) for term in dow.split(","))


def _term_takes_weekday(term: str, day: date) -> bool:
    weekday = day.isoweekday()  # Sunday is 7
    if "#" in term:
        name, nth = term.split("#")
        same_days_so_far = sum(1 for other in range(1, day.day + 1) if (day.day - other) % 7 == 0)
        return _number("dow", name) % 7 == weekday % 7 and same_days_so_far == int(nth)
    if "l" in term:
        return _number("dow", term.strip("l")) % 7 == weekday % 7 and (day + timedelta(days=7)).month != day.month
    return _takes("dow", term, weekday) or (weekday == 7 and _takes("dow", term, 0))


@cache
def _takes(field: str, text: str, value: int) -> bool:
    return any(_term_takes(field, term, value) for term in text.split(","))


def _term_takes(field: str, term: str, value: int) -> bool:
    span, _, step = term.partition("/")
    low, high = RANGES[field]
    if span not in ("*", "?"):
        first, dash, last = span.partition("-")
        low = _number(field, first)
        high = _number(field, last) if dash else (high if step else low)
        if field == "dow" and dash and high == 0:  # a range may end on Sunday
            high = 7
    return low <= value <= high and (value - low) % int(step or 1) == 0


def _number(field: str, text: str) -> int:
    return WORDS[field].index(text) if field in WORDS and text in WORDS[field] else int(text)
