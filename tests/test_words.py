from datetime import timedelta

import pytest

from nexo_poller.words import ago, ahead, counted, span, took


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(seconds=60), "1 min 00 s"),
        (timedelta(minutes=4, seconds=5), "4 min 05 s"),
        (timedelta(hours=3, minutes=12, seconds=59), "3 h 12 min"),
        (timedelta(days=2, hours=4), "2 d 04 h"),
    ],
)
def test_a_length_of_time_is_said_in_at_most_two_units(length: timedelta, words: str) -> None:
    assert span(length) == words


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(microseconds=900), "0 ms"),
        (timedelta(milliseconds=140), "140 ms"),
        (timedelta(seconds=4.14), "4.1 s"),
        (timedelta(seconds=61), "1 min 01 s"),
    ],
)
def test_a_duration_is_said_as_finely_as_it_is_short(duration: timedelta, words: str) -> None:
    assert took(duration) == words


def test_the_past_and_the_future_are_told_apart_in_words() -> None:
    assert [ago(timedelta(seconds=seconds)) for seconds in (-5, 0.9, 12)] == ["just now", "just now", "12 s ago"]
    assert [ahead(timedelta(seconds=seconds)) for seconds in (-5, 0.9, 185)] == ["due now", "due now", "in 3 min 05 s"]


def test_one_thing_is_not_said_to_be_several() -> None:
    assert [counted(number, "job") for number in (0, 1, 2, 10_000)] == ["0 jobs", "1 job", "2 jobs", "10,000 jobs"]
