import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import brute_force
import pytest
from attrs import evolve
from hypothesis import given
from strategies import intervals, moments

from nexo_poller.errors import ConfigError
from nexo_poller.schedule import EPOCH, At, Cron, Every, parse_schedule

NOON = datetime(2026, 4, 26, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def problems(mapping: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ConfigError) as refused:
        parse_schedule(mapping)
    return [(problem.key, str(problem)) for problem in refused.value.problems]


@given(anchor=moments(), after=moments(), interval=intervals())
def test_the_next_slot_of_an_interval_is_the_first_after(
    anchor: datetime, after: datetime, interval: timedelta
) -> None:
    slot = Every(interval, anchor=anchor).next_slot(after)
    assert slot is not None
    assert slot - interval <= after < slot
    assert (slot - anchor) % interval == timedelta()


def test_slots_keep_their_phase_for_ten_thousand_years() -> None:
    third = Every(timedelta(milliseconds=333), anchor=EPOCH)
    slot = third.next_slot(datetime(9999, 1, 1, tzinfo=UTC))
    assert slot is not None
    assert (slot - EPOCH) // timedelta(milliseconds=1) % 333 == 0


def test_the_end_of_the_calendar_has_no_next_slot() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    assert Every(timedelta(seconds=1)).next_slot(end) is None
    assert Every(timedelta(days=3650)).next_slot(end) is None
    assert At(NOON).next_slot(end) is None


def test_a_named_instant_comes_once() -> None:
    at = At(NOON)
    assert at.next_slot(NOON - timedelta(milliseconds=1)) == NOON
    assert at.next_slot(NOON) is None


def test_an_interval_is_anchored_at_the_whole_millisecond_of_the_job_s_creation() -> None:
    created_at = NOON + timedelta(microseconds=1_234_999)
    anchored = Every(MINUTE, jitter=MINUTE).anchored(created_at)
    assert anchored == Every(MINUTE, anchor=NOON + timedelta(milliseconds=1234), jitter=MINUTE)


@pytest.mark.parametrize("schedule", [Cron("0 0 * * * *"), At(NOON)])
def test_schedules_of_the_calendar_have_no_anchor(schedule: Cron | At) -> None:
    assert schedule.anchored(NOON) is schedule


def test_a_slot_is_whole_milliseconds_in_utc() -> None:
    local = datetime(2026, 4, 26, 14, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))
    assert At(local).at.isoformat() == "2026-04-26T12:00:00.123000+00:00"


@pytest.mark.parametrize("interval", [timedelta(), -MINUTE, timedelta(microseconds=1500)])
def test_an_interval_is_one_or_more_whole_milliseconds(interval: timedelta) -> None:
    with pytest.raises(ValueError, match="whole milliseconds"):
        Every(interval)


def test_a_fingerprint_tells_schedules_apart_by_what_decides_their_slots() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    different: list[Every | Cron | At] = [
        Every(MINUTE),
        Every(2 * MINUTE),
        Cron("0 0 * * * *"),
        Cron("0 0 * * * *", berlin),
        Cron("0 1 * * * *"),
        At(NOON),
        At(NOON + MINUTE),
    ]
    assert len({schedule.fingerprint for schedule in different}) == len(different)


def test_a_fingerprint_does_not_change_with_anchor_jitter_and_spacing() -> None:
    every, cron = Every(MINUTE), Cron("0 0 * * * *")
    assert evolve(every, anchor=NOON, jitter=MINUTE).fingerprint == every.fingerprint
    assert Cron(" 0  0 * * *\t* ", jitter=MINUTE).fingerprint == cron.fingerprint


def test_equal_schedules_are_equal_and_hash_alike() -> None:
    assert len({Cron("0 0 * * * *"), Cron("0  0 * * * *"), Every(MINUTE), Every(MINUTE), At(NOON), At(NOON)}) == 3


@pytest.mark.parametrize(
    ("mapping", "schedule"),
    [
        ({"every_secs": 60}, Every(MINUTE)),
        ({"every_secs": 0.001}, Every(timedelta(milliseconds=1))),
        ({"every_secs": 0.3335}, Every(timedelta(milliseconds=334))),
        ({"every_secs": 60, "stagger_jitter_ms": 0}, Every(MINUTE, jitter=timedelta())),
        ({"every_secs": 60, "stagger_jitter_ms": 2000}, Every(MINUTE, jitter=timedelta(seconds=2))),
        ({"cron": "0 */5 * * * *"}, Cron("0 */5 * * * *")),
        (
            {"cron": "0 0 9 * * mon", "tz": "America/Bogota", "stagger_jitter_ms": 1.5e3},
            Cron("0 0 9 * * mon", ZoneInfo("America/Bogota"), jitter=timedelta(seconds=1.5)),
        ),
        ({"at": "2026-04-26T12:00:00Z"}, At(NOON)),
        ({"at": "2026-04-26t14:00:00.000000000+02:00"}, At(NOON)),
        ({"at": "2026-04-26 12:00:00z"}, At(NOON)),
        ({"at": datetime(2026, 4, 26, 14, tzinfo=timezone(timedelta(hours=2)))}, At(NOON)),
    ],
)
def test_a_mapping_becomes_a_schedule(mapping: dict[str, Any], schedule: Every | Cron | At) -> None:
    assert parse_schedule(mapping) == schedule


def test_an_at_has_no_jitter_and_the_others_take_the_settings_own_unless_they_say() -> None:
    assert parse_schedule({"at": "2026-04-26T12:00:00Z"}).jitter == timedelta()
    assert parse_schedule({"every_secs": 1}).jitter is None
    assert parse_schedule({"cron": "0 0 * * * *"}).jitter is None


@pytest.mark.parametrize("mapping", [{}, {"tz": "UTC"}, {"every_secs": 1, "at": "2026-04-26T12:00:00Z"}])
def test_a_schedule_says_when_in_exactly_one_way(mapping: dict[str, Any]) -> None:
    assert any("exactly one of every_secs, cron and at" in text for key, text in problems(mapping) if key == ())


def test_an_unknown_key_is_reported_with_what_was_probably_meant() -> None:
    assert problems({"every_sec": 1, "every_secs": 1}) == [
        (("every_sec",), "unknown key 'every_sec' (did you mean 'every_secs'?)")
    ]
    ((key, text),) = problems({"every_secs": 1, 7: 1})
    assert key == (7,)
    assert "known keys: every_secs, cron, at, tz, stagger_jitter_ms" in text


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ({"every_secs": 1, "tz": "UTC"}, "tz"),
        ({"at": "2026-04-26T12:00:00Z", "tz": "UTC"}, "tz"),
        ({"at": "2026-04-26T12:00:00Z", "stagger_jitter_ms": 5}, "stagger_jitter_ms"),
    ],
)
def test_a_key_that_would_mean_nothing_is_refused(mapping: dict[str, Any], key: str) -> None:
    ((found, text),) = problems(mapping)
    assert found == (key,)
    assert "remove it" in text


@pytest.mark.parametrize("secs", [0, -1, 0.0009, math.nan, math.inf, 10**400, 315_360_001, True, "60", None, [60]])
def test_every_secs_is_a_number_from_a_millisecond_to_ten_years(secs: Any) -> None:
    ((key, text),) = problems({"every_secs": secs})
    assert key == ("every_secs",)
    assert "use a number from 0.001 to 315360000" in text


@pytest.mark.parametrize("jitter", [-1, math.nan, math.inf, True, "5", None])
def test_jitter_is_a_number_from_zero(jitter: Any) -> None:
    ((key, _),) = problems({"every_secs": 1, "stagger_jitter_ms": jitter})
    assert key == ("stagger_jitter_ms",)


@pytest.mark.parametrize("cron", [5, None, "*/5 * * * *", "0 61 * * * *", "0 0 0 30 2 *"])
def test_a_bad_cron_expression_is_reported_under_its_key(cron: Any) -> None:
    ((key, _),) = problems({"cron": cron})
    assert key == ("cron",)


@pytest.mark.parametrize(
    ("tz", "remedy"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("america/new york", "did you mean 'America/New_York'?"),
        ("Bogota", "did you mean 'America/Bogota'?"),
        ("", "use an IANA name such as Europe/Berlin"),
        ("/etc/localtime", ""),
        ("../UTC", ""),
        ("localtime", ""),
        ("posix/UTC", ""),
        ("<+02>-2", ""),
        (2, ""),
        (None, ""),
    ],
)
def test_a_tz_is_the_plain_name_of_a_zone(tz: Any, remedy: str) -> None:
    ((key, text),) = problems({"cron": "0 0 * * * *", "tz": tz})
    assert key == ("tz",)
    assert f"unknown tz {tz!r}" in text
    assert remedy in text


@pytest.mark.parametrize("at", ["2026-04-26T12:00:00", "2026-04-26 12:00:00.5", datetime(2026, 4, 26, 12)])  # noqa: DTZ001 - what YAML makes of it
def test_an_instant_without_an_offset_is_refused_with_the_word_on_how_to_add_one(at: Any) -> None:
    assert problems({"at": at}) == [
        (("at",), "at has no offset from UTC (append Z for UTC, or an offset such as +02:00)")
    ]


@pytest.mark.parametrize(
    "at",
    [
        "tomorrow",
        "2026-04-26",
        "2026-04-26T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-04-26T12:00:60Z",
        "2026-04-26T12:00:00+25:00",
        "20260426T120000Z",
        "0001-01-01T00:00:00+02:00",
        "",
        date(2026, 4, 26),
        1_777_200_000,
        None,
    ],
)
def test_a_malformed_instant_is_refused_with_a_good_one(at: Any) -> None:
    ((key, text),) = problems({"at": at})
    assert key == ("at",)
    assert 'write it like "2026-04-26T15:00:00Z"' in text


def test_all_problems_come_at_once() -> None:
    mapping = {"cron": "61 * * 32 * *", "tz": "Europe/Berln", "stagger_jitter_ms": -5, "jitter": 5}
    assert [key for key, _ in problems(mapping)] == [("jitter",), ("stagger_jitter_ms",), ("tz",), ("cron",), ("cron",)]


def test_whatever_is_no_mapping_is_refused() -> None:
    assert "must be a mapping" in problems("0 0 * * * *")[0][1]


@pytest.mark.parametrize(
    "mapping",
    [
        {"every_secs": 3601},
        {"every_secs": 0.5},
        {"cron": "30 */20 * * * *", "tz": "Australia/Lord_Howe"},
        {"cron": "0 0 9,13 ? * sat,sun"},
        {"at": "2026-04-26T14:00:00+02:00"},
        {"at": "2020-01-01T00:00:00Z"},
    ],
)
def test_the_slots_of_a_stretch_of_time_are_those_of_the_brute_force_evaluator(mapping: dict[str, Any]) -> None:
    anchor, start = NOON - timedelta(days=2, milliseconds=7), NOON - timedelta(hours=1)
    end = NOON + timedelta(hours=5)
    schedule = parse_schedule(mapping).anchored(anchor)
    found = []
    slot = schedule.next_slot(start - timedelta(milliseconds=1))
    while slot and slot < end:
        found.append(slot)
        slot = schedule.next_slot(slot)
    assert found == brute_force.slots_between(mapping, anchor, start, end)
