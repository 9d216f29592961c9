"""`nexo-poller next ID`."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from signal import SIGTERM
from typing import Any
from zoneinfo import ZoneInfo

from command import NEXO_POLLER, nexo_poller, running
from http_server import http_server
from job_files import api_job, orders, write_config

from nexo_poller.store.sqlite import SqliteStore

BERLIN = ZoneInfo("Europe/Berlin")
URL = "http://127.0.0.1:9/"


def scheduled(schedule: dict[str, Any], job_id: str = "orders") -> dict[str, Any]:
    return {**api_job(URL, job_id), "schedule": schedule}


def coming(folder: Path, *arguments: str) -> list[dict[str, str]]:
    """The slots that the command tells of in JSON."""
    slots: list[dict[str, str]] = json.loads(nexo_poller("next", *arguments, "--json", cwd=folder).stdout)["slots"]
    return slots


def test_slots_are_shown_in_the_jobs_zone_and_in_utc(tmp_path: Path) -> None:
    write_config(tmp_path, scheduled({"cron": "0 30 9 * * *", "tz": "Europe/Berlin"}))
    lines = nexo_poller("next", "orders", "-n", "2", cwd=tmp_path).stdout.splitlines()
    assert len(lines) == 2
    assert all(" 09:30:00 CE" in line for line in lines)
    slots = coming(tmp_path, "orders", "-n", "3")
    assert [datetime.fromisoformat(slot["utc"]).astimezone(BERLIN).hour for slot in slots] == [9, 9, 9]
    assert [slot["slot"][11:16] for slot in slots] == ["09:30"] * 3


def test_ten_slots_are_the_default_and_they_follow_each_other(tmp_path: Path) -> None:
    write_config(tmp_path, scheduled({"every_secs": 3600}))
    moments = [datetime.fromisoformat(slot["utc"]) for slot in coming(tmp_path, "orders")]
    assert len(moments) == 10
    assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(hours=1)}


async def test_slots_of_a_job_that_has_run_keep_its_phase(tmp_path: Path) -> None:
    write_config(tmp_path, scheduled({"every_secs": 3600}))
    async with running((*NEXO_POLLER, "serve", "--no-admin"), cwd=tmp_path) as daemon:
        await daemon.said("transient")
        assert await daemon.ended_by(SIGTERM) == 0
    first, again = coming(tmp_path, "orders", "-n", "1"), coming(tmp_path, "orders", "-n", "1")
    assert first == again
    assert datetime.fromisoformat(first[0]["utc"]) > datetime.now(UTC) + timedelta(minutes=50)


def test_jitter_shows_in_the_start_and_not_in_the_slot(tmp_path: Path) -> None:
    write_config(tmp_path, scheduled({"cron": "0 0 0 1 1 *", "stagger_jitter_ms": 60_000}))
    slots = coming(tmp_path, "orders", "-n", "5")
    assert {slot["utc"][5:] for slot in slots} == {"01-01T00:00:00.000Z"}
    assert len({slot["starts_at"][5:] for slot in slots}) > 1


def test_a_single_instant_has_one_slot_and_then_none(tmp_path: Path) -> None:
    write_config(
        tmp_path,
        scheduled({"at": "2999-01-01T00:00:00Z"}, "future"),
        scheduled({"at": "2001-01-01T00:00:00Z"}, "past"),
    )
    assert [slot["utc"] for slot in coming(tmp_path, "future")] == ["2999-01-01T00:00:00.000Z"]
    assert nexo_poller("next", "future", cwd=tmp_path).stderr == ""


def test_a_moment_that_has_passed_is_said_to_have(tmp_path: Path) -> None:
    past = scheduled({"at": "2001-01-01T00:00:00Z"})
    write_config(tmp_path, {**past, "id": "run"}, {**past, "id": "skip", "misfire": "skip"})
    told = nexo_poller("next", "run", cwd=tmp_path)
    assert "2001-01-01 00:00:00" in told.stdout
    assert told.stderr == "this moment has passed: the job runs once, as soon as a daemon serves it\n"
    assert "`misfire: skip` gives it up" in nexo_poller("next", "skip", cwd=tmp_path).stderr


async def test_a_moment_that_has_passed_is_still_to_come_until_the_job_has_fired(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _: orders(1)}) as server:
        job = {**api_job(server.url("/orders")), "schedule": {"at": "2001-01-01T00:00:00Z"}}
        serve = (*NEXO_POLLER, "serve", "--no-admin")
        write_config(tmp_path, {**job, "paused_on_boot": True})
        async with running(serve, cwd=tmp_path) as daemon:
            await daemon.said("serving 1 job")
            assert await daemon.ended_by(SIGTERM) == 0
        paused = nexo_poller("next", "orders", cwd=tmp_path)
        assert "2001" in paused.stdout
        assert "the job is paused (paused_on_boot)" in paused.stderr

        async with SqliteStore(tmp_path / "data" / "poller.db") as store:
            await store.resume("orders")
        assert "as soon as a daemon serves it" in nexo_poller("next", "orders", cwd=tmp_path).stderr

        write_config(tmp_path, job)
        async with running(serve, cwd=tmp_path) as daemon:
            await daemon.line()
            assert await daemon.ended_by(SIGTERM) == 0
        fired = nexo_poller("next", "orders", cwd=tmp_path)
        assert fired.stdout == ""
        assert "`nexo-poller reset` arms it again" in fired.stderr


def test_an_unknown_job_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    write_config(tmp_path, scheduled({"every_secs": 60}))
    assert "did you mean 'orders'?" in nexo_poller("next", "order", cwd=tmp_path, status=1).stderr


def test_nothing_is_created(tmp_path: Path) -> None:
    write_config(tmp_path, scheduled({"every_secs": 60}))
    nexo_poller("next", "orders", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config"]
