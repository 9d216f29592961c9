from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import intervals

from nexo_poller.backoff import retry_delay

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("interval_secs", "pauses"),
    [
        (60, [30, 60, 120, 240, 300, 300]),
        (30, [30, 60, 120, 240, 300, 300]),
        (1, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (3600, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
    ],
)
def test_the_pause_doubles_from_the_shorter_of_30_s_and_the_interval_to_the_longer_of_300_s_and_the_interval(
    interval_secs: int, pauses: list[int]
) -> None:
    interval = timedelta(seconds=interval_secs)
    delays = [retry_delay(n, interval, luck=1.0) for n in range(1, len(pauses) + 1)]
    assert delays == [timedelta(seconds=secs) for secs in pauses]


@given(errors=st.integers(1), interval=intervals(), luck=st.floats(0, 1))
def test_at_least_half_of_the_pause_is_kept_however_many_errors_there_were(
    errors: int, interval: timedelta, luck: float
) -> None:
    longest = retry_delay(errors, interval, luck=1.0)
    assert longest / 2 <= retry_delay(errors, interval, luck) <= longest <= max(timedelta(seconds=300), interval)


def test_luck_spreads_the_pause_evenly() -> None:
    assert [retry_delay(2, MINUTE, luck) for luck in (0.0, 0.5, 1.0)] == [MINUTE / 2, MINUTE * 3 / 4, MINUTE]


def test_a_longer_retry_after_wins_as_it_is_and_a_shorter_one_does_not() -> None:
    assert retry_delay(1, MINUTE, 0.0, HOUR) == HOUR
    assert retry_delay(5, MINUTE, 1.0, MINUTE) == timedelta(seconds=300)
    assert retry_delay(1, MINUTE, 0.0, timedelta(seconds=-5)) == timedelta(seconds=15)


def test_retry_after_is_honoured_up_to_a_day_which_does_not_shorten_a_longer_pause() -> None:
    week = timedelta(days=7)
    assert retry_delay(1, MINUTE, 0.0, week) == timedelta(hours=24)
    assert retry_delay(50, week, 1.0, HOUR) == week
