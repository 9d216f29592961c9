"""The wait that a server asks for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.http.retry_after import LONGEST_WAIT, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def wait(text: str) -> timedelta | None:
    return retry_after(httpx.Headers({"retry-after": text}), NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("-5", 0),
        ("86401", 86_400),
        ("9" * 5000, 86_400),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90),
        ("Sun Mar  1 12:01:30 2026", 90),
        ("Sun, 01 Mar 2026 12:01:30 -0000", 90),
        ("Sun, 01 Mar 2026 13:01:30 +0100", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Mon, 01 Mar 2027 12:00:00 GMT", 86_400),
    ],
)
def test_seconds_and_dates_become_a_wait_within_bounds(text: str, seconds: int) -> None:
    assert wait(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "1.5", "1e3", "٣", "Sun, 99 Mar 2026 12:00:00 GMT", "1 2", "0x10"])
def test_what_makes_no_sense_is_no_wait(text: str) -> None:
    assert retry_after({"Retry-After": text}, NOW) is None


def test_without_the_header_there_is_no_wait() -> None:
    assert retry_after(httpx.Headers(), NOW) is None


@given(st.text())
def test_no_text_at_all_is_trouble(text: str) -> None:
    found = retry_after({"Retry-After": text}, NOW)
    assert found is None or timedelta() <= found <= LONGEST_WAIT


@given(st.integers(0, 86_400))
def test_a_date_and_its_distance_in_seconds_mean_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert wait(date) == wait(str(seconds)) == timedelta(seconds=seconds)
