"""What the relay decides without looking at anything: how long to wait, and what a lane is about."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.runner.relay import backoff, topic_of

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def test_the_pause_doubles_from_a_second_to_a_minute() -> None:
    assert [backoff(n, None) / SECOND for n in range(1, 10)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(failures=st.integers(1), retry_after=st.none() | st.timedeltas())
def test_however_long_an_outage_lasts_the_pause_stays_between_a_second_and_an_hour(
    failures: int, retry_after: timedelta | None
) -> None:
    assert SECOND <= backoff(failures, None) <= backoff(failures, retry_after) <= HOUR
    assert backoff(failures, None) <= backoff(failures + 1, None)


@pytest.mark.parametrize(
    ("retry_after", "pause"), [(10 * SECOND, 10 * SECOND), (SECOND, 4 * SECOND), (-HOUR, 4 * SECOND), (2 * HOUR, HOUR)]
)
def test_a_longer_retry_after_wins_up_to_an_hour(retry_after: timedelta, pause: timedelta) -> None:
    assert backoff(3, retry_after) == pause


@given(
    job_id=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    mark=st.sampled_from("/!"),
    topic=st.text(min_size=1),
)
def test_the_topic_of_a_lane_is_found_whatever_the_topic_looks_like(job_id: str, mark: str, topic: str) -> None:
    assert topic_of(f"{job_id}{mark}{topic}") == topic
