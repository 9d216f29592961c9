"""Killed at the worst moments while it watches a mailbox: every mail is told once, and read in the end."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import trio
from attrs import Factory, define
from children import child
from evidence import Evidence, look_at
from google_fake import Account, GoogleFake, mail
from http_server import Request, Response, http_server
from numbered_source import Hold, Receiver, account
from test_sigkill_windows import live

from nexo_poller.builtins.gmail.cursor import GmailCursor
from nexo_poller.clock import SystemClock
from nexo_poller.google.endpoints import OTHER_GOOGLE

SEED: Final = 20261121
POINTS: Final = {
    "before commit": ("listed", "read", "committing"),
    "commit to publish": ("saved", "publishing"),
    "publish to delete": ("posted", "published", "deleting"),
    "commit to mark-read": ("marking", "marked"),
}
MOST_PASSES: Final = 2
LIFE_SECS: Final = 30
AT_GOOGLE: Final = {
    "/messages/batchModify": ("marking", "marked"),
    "/messages/": ("reading", "read"),
    "/messages": ("listing", "listed"),
    "/token": ("asked for a token", "renewed"),
}


@define(eq=False, kw_only=True)
class Google:
    """The fake, as a place where a daemon may meet its end. While `is_growing`, every question finds more mail."""

    fake: GoogleFake
    ana: Account
    chance: Random
    hold: Hold = Factory(Hold)
    is_growing: bool = True
    matching: list[str] = Factory(list)
    _answered: trio.Event = Factory(trio.Event)

    async def answer(self, request: Request) -> Response:
        before, after = next(points for path, points in AT_GOOGLE.items() if path in request.path)
        if after == "listed" and self.is_growing:
            self._receive()
        await self.hold.passes_by(before)
        response = await self.fake.handle(request)
        self._answered.set()
        self._answered = trio.Event()
        await self.hold.passes_by(after)
        return response

    def _receive(self) -> None:
        for _ in range(self.chance.randint(0, 2)):
            n = len(self.ana.mailbox.messages)
            matches = self.chance.random() < 0.8
            text = f"Number: {n}" if matches else "no number"
            mail_id = self.ana.mailbox.receive(mail(subject=str(n), text=text))
            if matches:
                self.matching.append(mail_id)

    async def all_read(self) -> None:
        """Return once no mail that matches is unread."""
        while self.unread():
            await self._answered.wait()

    def texts(self) -> list[str]:
        """The messages about all mails that match, as they should come."""
        return [f"leads {self.ana.mailbox.messages[mail_id].header('Subject')}" for mail_id in self.matching]

    def unread(self) -> set[str]:
        """The mails that match and are unread."""
        return {mail_id for mail_id in self.matching if self.ana.mailbox.is_unread(mail_id)}


def cursor_in(evidence: Evidence) -> GmailCursor:
    """What the job remembers."""
    saved = evidence.cursors.get("leads")
    return GmailCursor() if saved is None else GmailCursor.from_bytes(saved)


def was_in(window: str, evidence: Evidence, received: set[str]) -> bool:
    """Whether the file and the receiver show that the daemon died in this window."""
    match window:
        case "before commit":
            return evidence.held > 0
        case "commit to publish":
            return not received.issuperset(evidence.outbox)
        case "publish to delete":
            return not received.isdisjoint(evidence.outbox)
        case _:
            return evidence.held > 0 and bool(cursor_in(evidence).to_mark)


def check_agreement(evidence: Evidence, google: Google, received: set[str]) -> None:
    """What is remembered as told, and nothing else, is with the receiver or in the outbox; only that can be read."""
    assert evidence.integrity == "ok"
    cursor, sent = cursor_in(evidence), received.union(evidence.outbox)
    known = [mail_id for mail_id in google.matching if not cursor.new([mail_id])]
    told = {text for mail_id, text in zip(google.matching, google.texts(), strict=True) if mail_id in known}
    assert told == sent
    assert set(google.matching).difference(known) <= google.unread()
    assert google.unread().intersection(known) <= set(cursor.to_mark)


async def test_killed_in_every_window_it_tells_every_mail_once_and_reads_it_in_the_end(
    tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kills, least = (100, 10) if full else (12, 1)
    chance, db, hits = Random(SEED), tmp_path / "poller.db", Counter[str]()
    windows = [list(POINTS)[n % len(POINTS)] for n in range(kills)]
    chance.shuffle(windows)
    receiver = Receiver()
    async with http_server({"/inbox": receiver.take}) as server:
        fake = GoogleFake.offline(SystemClock(), server.url(""))
        google = Google(fake=fake, ana=fake.account("ana@example.com"), chance=chance)
        server.otherwise = google.answer
        monkeypatch.setenv(OTHER_GOOGLE, server.url(""))
        files = {key: str(value) for key, value in fake.credentials(google.ana, tmp_path).items()}
        told: dict[str, Any] = {"db": str(db), "every_ms": 100, "inbox": server.url("/inbox"), **files}
        for window in windows:
            point, passes = chance.choice(POINTS[window]), chance.randint(0, MOST_PASSES)
            google.hold = receiver.hold = hold = Hold(point, passes)
            async with child("mail_daemon.py", {**told, "point": point, "passes": passes}, folder=tmp_path) as daemon:
                await live(daemon, hold)
            evidence = look_at(db)
            check_agreement(evidence, google, receiver.texts())
            hits[window] += was_in(window, evidence, receiver.texts())
        google.is_growing = False
        google.hold = receiver.hold = Hold()
        async with child("mail_daemon.py", told, folder=tmp_path) as daemon:
            with trio.fail_after(LIFE_SECS):
                await daemon.heard("ready")
                await receiver.has(google.texts())
                await google.all_read()
            await daemon.stop()
    arrived = account(receiver.arrivals)
    with capsys.disabled():
        print(  # noqa: T201 - what came of chance belongs to the result
            f"\n{kills} kills, seed {SEED}: {dict(hits)}; "
            f"{len(arrived.messages)} messages, {len(arrived.redeliveries)} redelivered"
        )
    assert look_at(db).outbox == []
    assert arrived.of("leads") == google.texts()
    assert google.unread() == set()
    assert fake.refused == []
    assert all(hits[window] >= least for window in POINTS), hits
