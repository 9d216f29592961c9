from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import brute_force
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from strategies import CLOCK_CHANGES, cron_expressions

from nexo_poller.errors import ConfigError
from nexo_poller.schedule import Cron

SPAN = timedelta(days=3)
ENOUGH = 300  # slots compared in one example


def slots(cron: Cron, after: datetime, end: datetime) -> Iterator[datetime]:
    slot = cron.next_slot(after)
    while slot and slot < end:
        yield slot
        slot = cron.next_slot(slot)


def wall_times(expression: str, zone: str, start: str, end: str) -> list[str]:
    """The slots in [start, end), wall times of the zone, each with its offset from UTC."""
    place = ZoneInfo(zone)
    first = datetime.fromisoformat(start).replace(tzinfo=place)
    last = datetime.fromisoformat(end).replace(tzinfo=place)
    due = slots(Cron(expression, place), first - timedelta(seconds=1), last)
    return [slot.astimezone(place).isoformat(sep=" ", timespec="minutes") for slot in due]


@settings(max_examples=300, deadline=None)
@given(
    expression=cron_expressions(),
    change=st.sampled_from(CLOCK_CHANGES),
    lead_secs=st.one_of(st.integers(-3 * 3600, 3 * 3600), st.integers(-3 * 3600, 50 * 3600)),
)
@example(
    expression="0 */50 2 26 10 *", change=CLOCK_CHANGES[1], lead_secs=600
)  # the rest of a year follows the overlap
@example(expression="* 0-59 0-23 * * *", change=CLOCK_CHANGES[1], lead_secs=-600)
@example(expression="* * * * * *", change=CLOCK_CHANGES[1], lead_secs=60)
@example(expression="0 30 9 30 * *", change=("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)), lead_secs=3600)
def test_slots_around_a_clock_change_are_those_of_the_brute_force_evaluator(
    expression: str, change: tuple[str, datetime], lead_secs: int
) -> None:
    zone, moment = change
    try:
        cron = Cron(expression, ZoneInfo(zone))
    except ConfigError:
        assume(False)  # it never fires
    start = moment - timedelta(seconds=lead_secs)

    found = list(islice(slots(cron, start, start + SPAN), ENOUGH))

    schedule = {"cron": expression, "tz": zone}
    expected = brute_force.slots(schedule, start, start + timedelta(seconds=1), start + SPAN)
    assert found == list(islice(expected, ENOUGH))


@pytest.mark.parametrize(
    ("zone", "start", "end", "instant"),
    [
        ("Europe/Berlin", "2025-03-30 00:00", "2025-03-31 00:00", "2025-03-30 03:00+02:00"),
        ("America/New_York", "2024-03-10 00:00", "2024-03-11 00:00", "2024-03-10 03:00-04:00"),
        ("Antarctica/Troll", "2024-03-31 00:00", "2024-04-01 00:00", "2024-03-31 03:00+02:00"),
        ("Australia/Lord_Howe", "2024-10-06 00:00", "2024-10-07 00:00", "2024-10-06 02:30+11:00"),
        ("Africa/Casablanca", "2024-04-14 00:00", "2024-04-15 00:00", "2024-04-14 03:00+01:00"),
    ],
)
def test_a_fixed_job_whose_times_fall_into_a_gap_runs_once_right_after_it(
    zone: str, start: str, end: str, instant: str
) -> None:
    assert wall_times("0 5,15,25 2 * * *", zone, start, end) == [instant]


def test_a_midnight_that_a_zone_skips_is_made_up_for_at_one_o_clock() -> None:
    assert wall_times("0 0 0 * * *", "Asia/Beirut", "2022-03-26 12:00", "2022-03-28 12:00") == [
        "2022-03-27 01:00+03:00",
        "2022-03-28 00:00+03:00",
    ]


def test_a_day_that_a_zone_skips_costs_a_fixed_job_its_hour_and_no_run() -> None:
    assert wall_times("0 30 9 * * *", "Pacific/Apia", "2011-12-29 00:00", "2012-01-01 00:00") == [
        "2011-12-29 09:30-10:00",
        "2011-12-31 00:00+14:00",
        "2011-12-31 09:30+14:00",
    ]


@pytest.mark.parametrize(
    ("zone", "start", "end", "expression", "instants"),
    [
        ("Europe/Berlin", "2025-10-26 00:00", "2025-10-27", "0 30 2 * * *", ["2025-10-26 02:30+02:00"]),
        ("Australia/Lord_Howe", "2024-04-07 00:00", "2024-04-08", "0 45 1 * * *", ["2024-04-07 01:45+11:00"]),
        ("Africa/Cairo", "2024-10-31 12:00", "2024-11-01 12:00", "0 30 23 * * *", ["2024-10-31 23:30+03:00"]),
        ("Europe/Berlin", "2025-10-26 00:00", "2025-10-27", "0 0 1-4 * * *", [
            "2025-10-26 01:00+02:00",
            "2025-10-26 02:00+02:00",
            "2025-10-26 03:00+01:00",
            "2025-10-26 04:00+01:00",
        ]),
    ],
)  # fmt: skip
def test_a_fixed_job_met_twice_in_an_overlap_runs_the_first_time(
    zone: str, start: str, end: str, expression: str, instants: list[str]
) -> None:
    assert wall_times(expression, zone, start, end) == instants


def test_a_wildcard_job_keeps_its_pace_through_an_overlap() -> None:
    due = wall_times("0 */30 * * * *", "Europe/Berlin", "2025-10-26 02:00", "2025-10-26 03:30")
    assert due == [
        "2025-10-26 02:00+02:00",
        "2025-10-26 02:30+02:00",
        "2025-10-26 02:00+01:00",
        "2025-10-26 02:30+01:00",
        "2025-10-26 03:00+01:00",
    ]


def test_a_wildcard_job_neither_makes_up_for_a_gap_nor_waits_in_it() -> None:
    due = wall_times("0 */30 * * * *", "Europe/Berlin", "2025-03-30 01:00", "2025-03-30 04:00")
    assert due == [
        "2025-03-30 01:00+01:00",
        "2025-03-30 01:30+01:00",
        "2025-03-30 03:00+02:00",
        "2025-03-30 03:30+02:00",
    ]


def test_a_star_in_the_hour_or_the_minute_makes_a_wildcard_job_and_one_elsewhere_does_not() -> None:
    overlap = ("Europe/Berlin", "2025-10-26 00:00", "2025-10-27 00:00")
    assert len(wall_times("0 */59 2 * * *", *overlap)) == 4
    assert len(wall_times("0 30 */2 * * *", *overlap)) == 13
    assert len(wall_times("0 0-59/59 2 * * *", *overlap)) == 2
    assert len(wall_times("*/30 30 2 * * *", *overlap)) == 2


def test_the_second_showing_of_the_last_minute_of_an_overlap_is_found_though_a_year_lies_behind_it() -> None:
    cron = Cron("0 */50 2 26 10 *", ZoneInfo("Europe/Berlin"))
    after = datetime(2025, 10, 26, 0, 50, tzinfo=UTC)  # 02:50, for the first time
    assert cron.next_slot(after) == datetime(2025, 10, 26, 1, 0, tzinfo=UTC)


def test_a_slot_is_later_than_a_moment_within_its_own_second() -> None:
    moment = datetime(2025, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    assert Cron("* * * * * *").next_slot(moment) == datetime(2025, 1, 1, 12, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("expression", ["* * * * * *", "0 0 0 * * *", "0 0 0 29 2 */7"])
def test_the_end_of_the_calendar_is_no_error(zone: str, expression: str) -> None:
    cron = Cron(expression, ZoneInfo(zone))
    assert cron.next_slot(datetime.max.replace(tzinfo=UTC)) is None
    assert cron.next_slot(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)) is None
