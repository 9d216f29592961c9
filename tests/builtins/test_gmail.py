"""Ticks of kind `gmail` against a Google on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from google_fake import Fault, GoogleFake, google_fake, mail
from google_fake.mailbox import Mailbox
from ticking import DELIVER, NO_AUTHORITIES, NOON, Bench
from trio.testing import MockClock

from nexo_poller.builtins.cursor import CursorUnreadable
from nexo_poller.builtins.gmail.config import GmailConfig
from nexo_poller.builtins.gmail.cursor import GmailCursor
from nexo_poller.builtins.gmail.poller import GmailPoller
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, PermanentError, TransientError
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.google.answers import GoogleBusy, GoogleRefused
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import TickMetrics
from nexo_poller.testing import VirtualClock

GET = "gmail.users.messages.get"
LIST = "gmail.users.messages.list"
MARK = "gmail.users.messages.batchModify"
UNREAD: dict[str, Any] = {"query": "is:unread", "message_template": "{subject}"}


@asynccontextmanager
async def watching(folder: Path, **config: Any) -> AsyncIterator[tuple[Bench, Mailbox, GoogleFake]]:
    """A job on the unread mail of an account."""
    async with google_fake() as google, HttpPools.open(ssl_context=NO_AUTHORITIES) as pools:
        http = pools.client(
            allow_private_networks=GmailConfig.allow_private_networks, max_body_bytes=GmailConfig.max_body_bytes
        )
        job = Bench(poller=GmailPoller(GoogleAccounts(google.endpoints)), http=http, config={**UNREAD, **config})
        ana = google.account("ana@example.com")
        job.host.credentials = google.credentials(ana, folder)
        yield job, ana.mailbox, google


async def test_a_mail_is_told_once_and_marked_as_read_only_when_its_message_is_committed(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        mail_id = box.receive(mail(subject="Lead"))
        assert await job.texts() == ["Lead"]
        assert box.is_unread(mail_id)
        assert google.calls_of(MARK) == []
        assert await job.texts() == []
        assert not box.is_unread(mail_id)
        assert await job.texts() == []
        assert len(google.calls_of(MARK)) == 1


async def test_a_tick_that_is_lost_with_its_cursor_is_told_again_and_marks_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, _):
        mail_id = box.receive(mail(subject="Lead"))
        await job.tick()
        job.cursor = None  # killed before the commit
        assert await job.texts() == ["Lead"]
        assert box.is_unread(mail_id)


async def test_the_oldest_come_first_so_many_a_tick_over_however_many_pages(tmp_path: Path) -> None:
    async with watching(tmp_path, max_per_tick=3, mark_read_on_dispatch=False) as (job, box, _):
        box.page_size = 2
        for n in range(7):
            box.receive(mail(subject=str(n)), at=NOON + timedelta(minutes=n))
        assert [await job.texts() for _ in range(4)] == [["0", "1", "2"], ["3", "4", "5"], ["6"], []]


async def test_messages_are_spaced(tmp_path: Path) -> None:
    async with watching(tmp_path, dispatch_delay_ms=1500) as (job, box, _):
        for n in range(3):
            box.receive(mail(subject=str(n)))
        moments = [delivery.not_before for delivery in (await job.tick()).deliver]
    assert moments == [None, NOON + timedelta(seconds=1.5), NOON + timedelta(seconds=3)]


async def test_only_the_address_of_a_sender_counts_and_never_a_name(tmp_path: Path) -> None:
    async with watching(tmp_path, sender_allowlist=["Ana@Good.example", "@firm.example"]) as (job, box, google):
        for sender in (
            '"ana@good.example" <thief@bad.example>',
            "ana@good.example <thief@bad.example>",
            "=?utf-8?q?ana=40good=2Eexample?= <thief@bad.example>",
            "thief@bad.example (ana@good.example)",
            "thief@bad.example, ana@good.example",
            "thief@bad.example, Ana <ana@good.example>",
            "Bo <bo@evilfirm.example>",
            "Bo <bo@firm.example.bad.example>",
        ):
            box.receive(f"From: {sender}\r\nSubject: spoofed\r\n\r\nx".encode())
        box.receive(mail(sender="Ana <ANA@good.example>", subject="from ana"))
        box.receive(mail(sender="bo@firm.example", subject="from bo"))
        assert await job.texts() == ["from ana", "from bo"]
        assert await job.texts() == []
        assert len(google.calls_of(GET)) == 10, "what was passed over is not fetched again"


async def test_fields_are_extracted_from_the_text_and_mails_without_them_passed_over(tmp_path: Path) -> None:
    config = {
        "extract": {"name": r"Name:\s*(.+)", "phone": r"Tel:\s*(\+?\d+)"},
        "require_fields": ["name"],
        "message_template": "{name} {phone} {from}",
    }
    async with watching(tmp_path) as (job, box, _):
        box.receive(mail(text="Name:  Leo \nTel: +4912"))
        box.receive(mail(text="Tel: +4912"))
        box.receive(mail(text="Name: Bo"))
        assert await job.texts(**config) == [
            "Leo +4912 Leo <leo@example.org>",
            "Bo {phone} Leo <leo@example.org>",
        ]
        assert await job.texts() == []


async def test_what_strangers_write_is_no_template(tmp_path: Path) -> None:
    async with watching(tmp_path, extract={"name": "Name: (.*)"}) as (job, box, _):
        box.receive(mail(subject="{from} {name}", text="Name: {subject}"))
        assert await job.texts(message_template="{subject}|{name}") == ["{from} {name}|{subject}"]


async def test_one_bad_mail_holds_up_no_other_and_becomes_a_dead_letter_of_its_own(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        bad = box.receive(mail(subject="bad"))
        google.faults.append(Fault(method=GET, status=500, target=bad, times=99))
        told = []
        for n in range(5):
            box.receive(mail(subject=str(n)))
            told.append([(delivery.payload["text"], delivery.dead_because) for delivery in (await job.tick()).deliver])
    (_, why) = told[2].pop()
    assert told == [[(str(n), None)] for n in range(5)]
    assert why is not None
    assert "500" in why


async def test_a_bad_mail_that_fills_every_tick_holds_up_no_other_either(tmp_path: Path) -> None:
    async with watching(tmp_path, max_per_tick=1) as (job, box, google):
        bad = box.receive(mail(subject="bad"))
        box.receive(mail(subject="good"))
        google.faults.append(Fault(method=GET, status=500, target=bad, times=99))
        acks = [await job.tick() for _ in range(4)]
    told = [[(delivery.payload.get("mail"), delivery.payload["text"]) for delivery in ack.deliver] for ack in acks]
    assert [*map(len, told)] == [0, 0, 1, 1]
    assert (told[2][0][0], told[3]) == (bad, [(None, "good")])


async def test_a_bad_mail_that_comes_alone_becomes_a_dead_letter_once_gmail_gives_any_other(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        bad = box.receive(mail(subject="bad"))
        google.faults.append(Fault(method=GET, status=500, target=bad, times=99))
        with pytest.raises(TransientError, match="500"):
            await job.tick()
        box.receive(mail(subject="read long ago"), labels=frozenset())
        acks = [await job.tick() for _ in range(4)]
        assert [len(ack.deliver) for ack in acks] == [0, 0, 1, 0]


async def test_when_no_mail_can_be_had_it_is_not_their_fault(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        box.receive(mail(subject="0"))
        box.receive(mail(subject="1"))
        box.receive(mail(subject="read long ago"), labels=frozenset())
        google.faults.append(Fault(method=GET, status=500, times=12))
        for _ in range(4):
            with pytest.raises(TransientError):
                await job.tick()
        assert await job.texts() == ["0", "1"]


async def test_a_limit_of_rate_ends_the_look_and_is_held_against_no_mail(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        late, _ = (
            box.receive(mail(subject=name), at=NOON + timedelta(hours=n)) for n, name in ((1, "late"), (2, "last"))
        )
        google.faults.append(Fault(method=GET, status=403, reason="rateLimitExceeded", target=late, times=4))
        for n in range(4):
            box.receive(mail(subject=str(n)), at=NOON + timedelta(minutes=n))
            assert await job.texts() == [str(n)]
        assert len(google.calls_of(GET)) == 8
        google.faults.append(Fault(method=GET, status=429, headers={"Retry-After": "7"}))
        with pytest.raises(GoogleBusy) as caught:
            await job.tick()
        assert caught.value.retry_after == timedelta(seconds=7)
        assert await job.texts() == ["late", "last"]


async def test_a_slow_google_gets_no_more_than_a_minute_of_a_tick(tmp_path: Path, autojump_clock: MockClock) -> None:
    google = GoogleFake.offline(VirtualClock())
    ana = google.account("ana@example.com")
    for n in range(5):
        ana.mailbox.receive(mail(subject=str(n)), at=NOON + timedelta(minutes=n))

    async def slowly(request: httpx.Request) -> httpx.Response:
        await trio.sleep(25 if "/messages/" in request.url.path else 0)
        return await google.transport().handle_async_request(request)

    poller = GmailPoller(GoogleAccounts(google.endpoints))
    async with HttpPools.open(transport=httpx.MockTransport(slowly)) as pools, poller.lifespan(google.clock):
        job = Bench(poller=poller, http=pools.client(), config={**UNREAD, "mark_read_on_dispatch": False})
        job.host.credentials = google.credentials(ana, tmp_path)
        assert await job.texts() == ["0", "1", "2"]
        assert await job.texts() == ["3", "4"]


async def test_a_mail_of_ten_megabytes_is_told_like_any_other(tmp_path: Path) -> None:
    async with watching(tmp_path, extract={"name": "Name: (.*)"}) as (job, box, _):
        box.receive(mail(subject="large", text="Name: Leo\n" + "word " * 2_000_000))
        box.receive(mail(subject="small", text="Name: Bo"))
        assert await job.texts(message_template="{subject} {name}") == ["large Leo", "small Bo"]


async def test_a_dry_run_marks_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        mail_id = box.receive(mail(subject="Lead"))
        await job.tick()
        job.is_dry_run = True
        assert await job.texts() == []
        assert box.is_unread(mail_id)
        assert google.calls_of(MARK) == []


async def test_a_mail_that_is_gone_before_it_was_read_is_done_with(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        gone = box.receive(mail(subject="gone"))
        google.faults.append(Fault(method=GET, status=404, reason="notFound", target=gone))
        assert await job.texts() == []
        assert await job.texts() == []
        assert len(google.calls_of(GET)) == 1


async def test_what_cannot_be_marked_is_marked_later_and_told_once(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        mail_id = box.receive(mail(subject="Lead"))
        google.faults.append(Fault(method=MARK, status=503, times=2))
        assert [await job.texts() for _ in range(3)] == [["Lead"], [], []]
        assert box.is_unread(mail_id)
        assert await job.texts() == []
        assert not box.is_unread(mail_id)


async def test_mail_may_stay_unread(tmp_path: Path) -> None:
    async with watching(tmp_path, mark_read_on_dispatch=False) as (job, box, google):
        box.receive(mail(subject="Lead"))
        assert [await job.texts() for _ in range(2)] == [["Lead"], []]
        assert google.calls_of(MARK) == []


async def test_without_the_permission_to_mark_the_job_pauses_and_says_what_to_do(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        box.receive(mail())
        await job.tick()
        google.faults.append(Fault(method=MARK, status=403, reason="insufficientPermissions"))
        with pytest.raises(GoogleRefused, match="nexo-poller google login"):
            await job.tick()


async def test_a_tick_that_finds_nothing_leaves_the_cursor(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, box, google):
        box.receive(mail())
        await job.tick()
        await job.tick()
        ack = await job.tick()
        assert (ack.next_cursor, ack.metrics) == (None, TickMetrics())
        assert google.calls_of(LIST)[0].parameters["q"] == ["is:unread"]
        await job.tick(newer_than="1d")
        assert google.calls_of(LIST)[-1].parameters["q"] == ["(is:unread) newer_than:1d"]


async def test_a_pattern_that_never_ends_costs_one_mail_its_turn(tmp_path: Path) -> None:
    async with watching(tmp_path, extract={"x": "^(?:a|aa)+$(x)"}) as (job, box, _):
        box.receive(mail(subject="slow", text="a" * 80))
        box.receive(mail(subject="quick", text="b"))
        assert await job.texts() == ["quick"]
        assert "the patterns of `extract` took more than" in job.host.logged[0][1]


def test_everything_that_is_wrong_with_a_config_is_told_at_once() -> None:
    config = structure(
        {
            "query": " ",
            "message_template": "",
            "deliver": {**DELIVER, "to": ""},
            "newer_than": "yesterday",
            "max_per_tick": 0,
            "dispatch_delay_ms": -1,
            "sender_allowlist": ["good.example"],
            "extract": {"a": "(", "b": "x", "from": "(x)"},
            "require_fields": ["nope", "b"],
        },
        GmailConfig,
    )
    with pytest.raises(ConfigError) as caught:
        GmailPoller(GoogleAccounts()).validate(config)
    assert [".".join(map(str, problem.key)) for problem in caught.value.problems] == [
        *("query", "message_template", "deliver.to", "newer_than", "max_per_tick", "dispatch_delay_ms"),
        *("sender_allowlist.0", "extract.a", "extract.b", "extract.from", "require_fields.0"),
    ]


@pytest.mark.parametrize("cursor", [b"", b"[]", b"{}", b'{"kind":"rss","v":1}', b'{"kind":"gmail","v":1}'])
def test_a_cursor_of_others_is_refused(cursor: bytes) -> None:
    with pytest.raises(CursorUnreadable):
        GmailCursor.from_bytes(cursor)
    with pytest.raises(ConfigError):
        GmailPoller(GoogleAccounts()).validate_cursor(cursor)


async def test_a_cursor_of_others_pauses(tmp_path: Path) -> None:
    async with watching(tmp_path) as (job, _, _google):
        job.cursor = b"?"
        with pytest.raises(PermanentError):
            await job.tick()
