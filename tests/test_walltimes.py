from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import brute_force
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import cron_days

from nexo_poller.cron import expand
from nexo_poller.errors import ConfigError
from nexo_poller.schedule import Cron


def dates(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def named_dates(days: str, first: date, last: date) -> list[date]:
    """What the library finds, walking."""
    times = expand(f"0 0 0 {days}")
    found = []
    wall = times.at_or_after(datetime.combine(first, time()))
    while wall and wall.date() <= last:
        found.append(wall.date())
        following = times.at_or_after(wall + timedelta(seconds=1))
        assert following is None or following > wall
        wall = following
    return found


@settings(max_examples=150, deadline=None)
@given(days=cron_days(), year=st.sampled_from([1999, 2023, 2027, 2099]))
@example(days="1,L * mon", year=2023)  # either will do
@example(days="*/2 * mon", year=2023)  # both are needed
@example(days="*/2 * */3", year=2023)
@example(days="? * fri#5,Lsun", year=2027)
@example(days="29 2 *", year=2099)
@example(days="31 12 ?", year=2023)
def test_named_days_are_those_of_the_brute_force_evaluator_through_leap_days_and_year_ends(
    days: str, year: int
) -> None:
    first, last = date(year, 12, 25), date(year + 2, 1, 7)
    fields = dict(zip(("dom", "mon", "dow"), days.lower().split(), strict=True))
    expected = [day for day in dates(first, last) if brute_force.is_named_day(fields, day)]
    try:
        assert named_dates(days, first, last) == expected
    except ConfigError:
        assert not expected


def test_a_leap_day_on_a_given_weekday_is_found_over_the_forty_years_that_it_can_take() -> None:
    sunday_29_february = Cron("0 0 0 29 2 */7")
    assert sunday_29_february.next_slot(datetime(2088, 3, 1, tzinfo=UTC)) == datetime(2128, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "named"),
    [
        ("2025-12-31 18:40:10", "2025-12-31 18:40:10"),
        ("2025-12-31 18:40:11", "2025-12-31 18:40:50"),
        ("2025-12-31 18:40:51", "2026-01-01 06:20:10"),
        ("2025-12-31 18:39:50", "2025-12-31 18:40:10"),
        ("2025-12-31 06:20:51", "2025-12-31 06:40:10"),
        ("2025-12-31 06:41:00", "2025-12-31 18:20:10"),
        ("2025-12-31 07:20:10", "2025-12-31 18:20:10"),
    ],
)
def test_time_carries_over_from_seconds_to_minutes_hours_days_and_years(wall: str, named: str) -> None:
    times = expand("10,50 20,40 6,18 * * *")
    assert times.at_or_after(datetime.fromisoformat(wall)) == datetime.fromisoformat(named)
