"""Hypothesis strategies for the values of this library."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

MILLISECOND = timedelta(milliseconds=1)

# Each with a change of its clocks: the hour of the night differs, some are at midnight, one is by half an hour, one by
# two hours, one skips a day, one goes back in the spring.
CLOCK_CHANGES = [
    ("Europe/Berlin", datetime(2025, 3, 30, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2025, 10, 26, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2024, 3, 10, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2024, 11, 3, 6, tzinfo=UTC)),
    ("America/St_Johns", datetime(2010, 3, 14, 3, 31, tzinfo=UTC)),
    ("America/St_Johns", datetime(2010, 11, 7, 2, 31, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2022, 3, 26, 22, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2024, 4, 25, 22, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2024, 10, 31, 21, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2024, 3, 10, 2, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2024, 4, 14, 2, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2024, 10, 5, 15, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2024, 4, 6, 15, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2024, 4, 6, 14, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2024, 3, 31, 1, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2024, 10, 27, 1, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1969, 9, 30, 13, tzinfo=UTC)),
    ("UTC", datetime(2024, 12, 31, 23, 59, tzinfo=UTC)),
]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def moments() -> st.SearchStrategy[datetime]:
    """Aware UTC datetimes of whole milliseconds, 1970 ... 2100."""
    return st.integers(0, 4_102_444_800_000).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + ms * MILLISECOND)


def intervals() -> st.SearchStrategy[timedelta]:
    """Whole milliseconds, from one to a year; as often short as long."""
    year_ms = 365 * 24 * 3600 * 1000
    return st.one_of(st.integers(1, 100_000), st.integers(1, year_ms)).map(lambda ms: ms * MILLISECOND)


def cron_days() -> st.SearchStrategy[str]:
    """The fields dom, mon and dow of a cron expression. Some never come."""
    weekday = st.one_of(st.integers(0, 7).map(str), st.sampled_from(WEEKDAYS))
    nth = st.builds("{}#{}".format, weekday, st.integers(1, 5))
    last = st.one_of(weekday.map("{}L".format), weekday.map("L{}".format))
    dom = _field(1, 31, st.sampled_from(["L", "?", "29", "31"]))
    mon = _field(1, 12, st.sampled_from(MONTHS), st.just("2"))
    dow = _field(0, 7, weekday, nth, last, st.sampled_from(["?", "fri-sun"]))
    return st.tuples(dom, mon, dow).map(" ".join)


def cron_expressions() -> st.SearchStrategy[str]:
    """Cron expressions of which most are due several times a day. Some never fire."""
    seconds = st.one_of(st.just("0"), _field(0, 59))
    hours = _field(0, 23, st.sampled_from(["0", "1", "2", "23"]))
    days = st.one_of(st.just("* * *"), st.just("? * *"), cron_days())
    return st.tuples(seconds, _field(0, 59), hours, days).map(" ".join)


def _field(low: int, high: int, *special: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.builds("{}/{}".format, st.one_of(st.just("*"), number, span), st.integers(1, high))
    term = st.one_of(number, span, step, *special)
    several = st.lists(term.filter("?".__ne__), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), several, *special)
