from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google_fake import Fault, GoogleFake, google_fake
from google_fake.agenda import Agenda
from ticking import DELIVER, Bench, bench

from nexo_poller.builtins.cursor import CursorUnreadable
from nexo_poller.builtins.google_calendar.config import CalendarConfig
from nexo_poller.builtins.google_calendar.cursor import CalendarCursor
from nexo_poller.builtins.google_calendar.poller import CalendarPoller
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, PermanentError, TransientError
from nexo_poller.google.accounts import GoogleAccounts

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LIST = "calendar.events.list"


@asynccontextmanager
async def watching(folder: Path, **config: Any) -> AsyncIterator[tuple[Bench, Agenda, GoogleFake]]:
    """A job on the primary calendar of an account."""
    async with google_fake() as google, bench(CalendarPoller(GoogleAccounts(google.endpoints)), **config) as job:
        ana = google.account("ana@example.com")
        job.host.credentials = google.credentials(ana, folder)
        yield job, ana.agenda, google


def sync_tokens(google: GoogleFake) -> list[Any]:
    return [call.parameters.get("syncToken", [None])[0] for call in google.calls_of(LIST)]


async def test_the_first_tick_sends_nothing_and_later_ones_what_has_changed(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, agenda, _):
        agenda.put("old", start=NOON, summary="Old")
        assert await job.texts() == []
        assert await job.texts() == []
        agenda.put("new", start=NOON + DAY, summary="Dentist")
        agenda.put("old", start=NOON + 2 * DAY, summary="Old")
        assert await job.texts() == [
            "📅 Dentist — 2026-03-03T12:00:00Z\nhttps://www.google.com/calendar/event?eid=new",
            "📅 Old — 2026-03-04T12:00:00Z\nhttps://www.google.com/calendar/event?eid=old",
        ]
        assert await job.texts() == []


async def test_the_beginning_follows_every_page_to_the_token_at_the_end(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, agenda, google):
        agenda.page_size = 2
        for n in range(5):
            agenda.put(f"e{n}", start=NOON, summary=f"Event {n}")
        ack = await job.tick()
        assert (ack.metrics.items_seen, ack.deliver) == (5, ())
        assert len(google.calls_of(LIST)) == 3
        agenda.put("new", start=NOON, summary="New")
        assert len(await job.texts()) == 1


async def test_a_long_difference_is_told_page_by_page_without_loss_or_repetition(tmp_path: Path) -> None:
    async with watching(tmp_path, message_template="{summary}") as (job, agenda, google):
        await job.tick()
        agenda.page_size = 2
        for n in range(5):
            agenda.put(f"e{n}", start=NOON, summary=str(n))
        acks = [await job.tick() for _ in range(4)]
        texts = [[delivery.payload["text"] for delivery in ack.deliver] for ack in acks]
        assert texts == [["0", "1"], ["2", "3"], ["4"], []]
        assert [ack.next_interval_hint for ack in acks] == [timedelta(seconds=1), timedelta(seconds=1), None, None]
        tokens = sync_tokens(google)
        assert tokens[1] == tokens[2] == tokens[3] != tokens[4]


@pytest.mark.parametrize("status", [400, 410])
async def test_what_expires_between_two_pages_pauses_and_says_how_to_begin_anew(tmp_path: Path, status: int) -> None:
    async with watching(tmp_path, message_template="{summary}") as (job, agenda, google):
        await job.tick()
        agenda.page_size = 2
        for n in range(3):
            agenda.put(f"e{n}", start=NOON, summary=str(n))
        assert await job.texts() == ["0", "1"]
        google.faults.append(Fault(method=LIST, status=status, reason="invalid", target="pageToken", times=2))
        with pytest.raises(PermanentError, match="`nexo-poller reset news --yes`"):
            await job.tick()
        agenda.page_size = 9
        assert await job.texts(on_expired="reset") == []
        agenda.put("new", start=NOON, summary="New")
        assert await job.texts() == ["New"]


async def test_what_fails_in_the_middle_is_told_at_the_next_tick(tmp_path: Path) -> None:
    async with watching(tmp_path, message_template="{summary}") as (job, agenda, google):
        await job.tick()
        agenda.put("new", start=NOON, summary="New")
        google.faults.append(Fault(method=LIST, status=503))
        with pytest.raises(TransientError):
            await job.tick()
        assert await job.texts() == ["New"]


async def test_times_are_told_as_the_calendar_has_them(tmp_path: Path) -> None:
    template = "{id} {start} to {end} {location} {status} {organizer}"
    async with watching(tmp_path, message_template=template) as (job, agenda, _):
        await job.tick()
        agenda.put("whole", start=date(2026, 3, 5), location="Ulm", organizer={"displayName": "Bo", "email": "b@e.org"})
        agenda.put("timed", start=NOON)
        assert await job.texts() == [
            "whole 2026-03-05 to 2026-03-06 Ulm confirmed Bo",
            "timed 2026-03-02T12:00:00Z to 2026-03-02T13:00:00Z  confirmed ana@example.com",
        ]


async def test_a_series_is_one_message_and_so_is_an_instance_that_differs(tmp_path: Path) -> None:
    async with watching(tmp_path, message_template="{id} {start} {status}", skip_cancelled=False) as (job, agenda, _):
        await job.tick()
        agenda.put("daily", start=NOON, recurrence=["RRULE:FREQ=DAILY;COUNT=100"])
        assert await job.texts() == ["daily 2026-03-02T12:00:00Z confirmed"]
        agenda.cancel_instance("daily", NOON + DAY)
        assert "daily_20260303T120000Z 2026-03-03T12:00:00Z cancelled" in await job.texts()


@pytest.mark.parametrize(("skip", "told"), [(True, []), (False, ["(no title) is cancelled"])])
async def test_cancelled_events_are_passed_over_unless_wanted(tmp_path: Path, skip: bool, told: list[str]) -> None:
    async with watching(tmp_path, message_template="{summary} is {status}", skip_cancelled=skip) as (job, agenda, _):
        agenda.put("old", start=NOON)
        await job.tick()
        agenda.cancel("old")
        assert await job.texts() == told
        assert await job.texts() == []


async def test_an_expired_token_pauses_and_says_how_to_begin_anew(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, agenda, _):
        await job.tick()
        agenda.expire_sync_tokens()
        with pytest.raises(PermanentError, match="`nexo-poller reset news --yes`"):
            await job.tick()


async def test_an_expired_token_may_begin_anew_by_itself_and_sends_nothing_again(tmp_path: Path) -> None:
    async with watching(tmp_path, message_template="{summary}", on_expired="reset") as (job, agenda, _):
        agenda.put("old", start=NOON, summary="Old")
        await job.tick()
        agenda.expire_sync_tokens()
        assert await job.texts() == []
        assert [message for _, message, _ in job.host.logged] == [
            "the sync token has expired: changes since the last tick are not told"
        ]
        agenda.put("new", start=NOON, summary="New")
        assert await job.texts() == ["New"]


async def test_another_calendar_begins_anew(tmp_path: Path) -> None:
    async with watching(tmp_path, message_template="{summary}") as (job, agenda, google):
        await job.tick()
        agenda.put("new", start=NOON, summary="New")
        assert await job.texts(calendar_id="ana@example.com") == []
        assert sync_tokens(google)[-1] is None


async def test_what_others_write_cannot_break_the_message(tmp_path: Path) -> None:
    async with watching(tmp_path, message_template="{summary}: {start}") as (job, agenda, _):
        await job.tick()
        agenda.put("x", start=NOON, summary="{start}{id}\x1b[2J\u202egnp")
        assert await job.texts() == ["{start}{id}[2Jgnp: 2026-03-02T12:00:00Z"]


async def test_no_calendar_and_no_permission_pause(tmp_path: Path) -> None:
    async with watching(tmp_path, calendar_id="nobody@example.com") as (job, _, _google):
        with pytest.raises(PermanentError):
            await job.tick()


def test_every_blank_is_told_at_once() -> None:
    config = structure({"deliver": {**DELIVER, "to": " "}, "calendar_id": "", "message_template": " "}, CalendarConfig)
    with pytest.raises(ConfigError) as caught:
        CalendarPoller(GoogleAccounts()).validate(config)
    assert [problem.key for problem in caught.value.problems] == [
        ("calendar_id",),
        ("message_template",),
        ("deliver", "to"),
    ]


@pytest.mark.parametrize("cursor", [b"", b"[]", b"{}", b'{"kind":"rss","v":1}', b'{"kind":"google_calendar","v":1}'])
def test_a_cursor_of_others_is_refused(cursor: bytes) -> None:
    with pytest.raises(CursorUnreadable):
        CalendarCursor.from_bytes(cursor)
    with pytest.raises(ConfigError):
        CalendarPoller(GoogleAccounts()).validate_cursor(cursor)


def test_a_cursor_can_be_read_back() -> None:
    cursor = CalendarCursor(address="a", sync_token="s", page_token="p")
    assert CalendarCursor.from_bytes(cursor.to_bytes()) == cursor
    CalendarPoller(GoogleAccounts()).validate_cursor(cursor.to_bytes())
