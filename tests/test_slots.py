from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import intervals, moments

from nexo_poller import slots
from nexo_poller.schedule import At, Cron, Every

NOON = datetime(2026, 4, 26, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
HOURLY = Cron("0 0 * * * *")


def test_the_first_slot_of_an_interval_is_now_and_one_of_its_slots() -> None:
    now = NOON + timedelta(microseconds=123_456)
    first = slots.first_slot(Every(HOUR), now)
    assert first == NOON + 123 * MILLISECOND
    assert Every(HOUR).anchored(now).next_slot(NOON) == first


def test_the_first_slot_of_a_cron_job_is_the_next_one_and_of_an_at_job_its_instant_even_past() -> None:
    assert slots.first_slot(HOURLY, NOON) == NOON + HOUR
    assert slots.first_slot(At(NOON), NOON + 24 * HOUR) == NOON


@given(slot=moments(), interval=intervals(), jitter=intervals(), job_id=st.text())
def test_jitter_stays_below_its_limit_and_half_the_interval(
    slot: datetime, interval: timedelta, jitter: timedelta, job_id: str
) -> None:
    start = slots.start(Every(interval), job_id, slot, jitter)
    assert timedelta() <= start - slot < max(min(jitter, interval / 2), MILLISECOND)
    assert (start - slot) % MILLISECOND == timedelta()


def test_jitter_uses_all_of_its_room_and_differs_from_job_to_job_and_from_slot_to_slot() -> None:
    every = Every(HOUR)
    by_job = {slots.start(every, f"job-{n}", NOON, 10 * MILLISECOND) for n in range(300)}
    by_slot = {slots.start(every, "job", NOON + n * HOUR, 10 * MILLISECOND) - n * HOUR for n in range(300)}
    assert by_job == by_slot == {NOON + n * MILLISECOND for n in range(10)}


def test_jitter_of_a_cron_job_stays_within_the_gap_at_hand() -> None:
    uneven = Cron("0 0,59 * * * *")
    starts = [slots.start(uneven, f"job-{n}", NOON + timedelta(minutes=59), HOUR) for n in range(100)]
    assert max(starts) < NOON + timedelta(minutes=59, seconds=30)


def test_jitter_is_the_same_in_every_process() -> None:
    start = slots.start(Every(HOUR), "inbox", NOON, timedelta(minutes=9))
    assert start == NOON + timedelta(minutes=6, seconds=38, milliseconds=906)


@pytest.mark.parametrize("schedule", [Every(HOUR), HOURLY, At(NOON)])
def test_without_jitter_a_job_starts_at_its_slot(schedule: Every | Cron | At) -> None:
    assert slots.start(schedule, "job", NOON, timedelta()) == NOON


def test_an_at_job_has_no_jitter() -> None:
    assert slots.start(At(NOON), "job", NOON, HOUR) == NOON


def test_the_interval_is_the_gap_to_the_following_slot_and_a_minute_for_at() -> None:
    overlap = datetime(2025, 10, 26, 0, tzinfo=UTC)  # 02:00 in Berlin, which comes again an hour later
    assert slots.interval(Every(HOUR), NOON) == HOUR
    assert slots.interval(Cron("0 0,45 * * * *"), NOON) == timedelta(minutes=45)
    assert slots.interval(Cron("0 0 2,3 * * *", ZoneInfo("Europe/Berlin")), overlap) == 2 * HOUR
    assert slots.interval(At(NOON), NOON) == timedelta(seconds=60)
    assert slots.interval(HOURLY, datetime.max.replace(tzinfo=UTC)) == timedelta(seconds=60)


@pytest.mark.parametrize(
    ("schedule", "following"),
    [
        (Every(HOUR, anchor=NOON), NOON + HOUR),
        (Every(HOUR, anchor=NOON + 10 * SECOND), NOON + 10 * SECOND),  # a slot out of phase, after a hint
        (Cron("0 0,45 * * * *"), NOON + timedelta(minutes=45)),
        (At(NOON), NOON + timedelta(seconds=60)),
    ],
)
def test_a_slot_is_overdue_as_soon_as_the_following_one_has_come(
    schedule: Every | Cron | At, following: datetime
) -> None:
    assert not slots.is_overdue(schedule, NOON, following - MILLISECOND)
    assert slots.is_overdue(schedule, NOON, following)
