from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.plugins.restarts import LONGEST_PAUSE, STEADY, restart_pause, short_lives


def test_after_one_short_life_it_comes_back_at_once_and_then_ever_later_up_to_a_minute() -> None:
    assert [restart_pause(n).total_seconds() for n in range(10)] == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_program_that_ran_for_a_minute_begins_anew() -> None:
    assert short_lives(7, STEADY) == 0
    assert short_lives(7, STEADY - timedelta(milliseconds=1)) == 8


@given(st.integers(min_value=0))
def test_however_often_it_ends_the_pause_has_a_limit(lives: int) -> None:
    assert restart_pause(lives) <= restart_pause(lives + 1) <= LONGEST_PAUSE
