"""The ticks of kind `gmail`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

import trio
from attrs import Factory, define, evolve

from nexo_poller.builtins.gmail.api import MOST_LISTED, Gmail
from nexo_poller.builtins.gmail.config import GmailConfig
from nexo_poller.builtins.gmail.cursor import KIND, GmailCursor
from nexo_poller.builtins.gmail.extract import ExtractTooSlow, extracted
from nexo_poller.builtins.gmail.mail import mail_from
from nexo_poller.builtins.gmail.tools import gmail_tools
from nexo_poller.clock import Clock
from nexo_poller.errors import ConfigError, PermanentError, TransientError
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.google.answers import GoogleBusy, GoogleRefused
from nexo_poller.poller import OutboundDelivery, PollContext, Poller, TickAck, TickMetrics
from nexo_poller.tool import Tool

EVERY_MAIL: Final = "in:anywhere"
GONE: Final = 404
OF_THE_ACCOUNT: Final = (401, 403)
LONGEST_LOOK_SECS: Final = 60  # then a tick leaves the rest to the next, rather than be cut and have done nothing
Ctx = PollContext[GmailConfig]


class MailBroken(Exception):
    """A mail that could not be dealt with, which must not hold up the others."""


@define(eq=False)
class Looked:
    """What came of looking at mails: the `texts` of messages about them (None: there is none), and what failed."""

    texts: dict[str, str | None] = Factory(dict)
    failures: dict[str, MailBroken] = Factory(dict)

    @property
    def sent(self) -> Mapping[str, str]:
        """The messages that there are."""
        return {mail_id: text for mail_id, text in self.texts.items() if text is not None}


@define(eq=False)
class GmailPoller(Poller[GmailConfig]):
    """New mails that match a search and come from the right people, oldest first, each a message."""

    kind = KIND
    description = "New mails that match a search, in the agent's own Gmail."
    channels = ("google",)
    config_type = GmailConfig

    _google: GoogleAccounts

    def validate(self, config: GmailConfig) -> None:
        """See `Poller`."""
        if problems := [*config.problems()]:
            raise ConfigError(*problems)

    def validate_cursor(self, cursor: bytes) -> None:
        """See `Poller`."""
        try:
            GmailCursor.from_bytes(cursor)
        except PermanentError as error:
            raise ConfigError(str(error)) from error

    def custom_tools(self) -> Sequence[Tool]:
        """See `Poller`."""
        return gmail_tools(self._google)

    @asynccontextmanager
    async def lifespan(self, clock: Clock) -> AsyncIterator[None]:
        """Let tokens expire by the runner's clock."""
        self._google.follow(clock)
        yield

    async def tick(self, ctx: Ctx) -> TickAck:
        """Mark as read what was sent, look for what is new, and say what to send."""
        gmail = Gmail(self._google.client(await ctx.host.credentials_get("google"), ctx.http))
        before = GmailCursor() if ctx.cursor is None else GmailCursor.from_bytes(ctx.cursor)
        cursor = before if ctx.is_dry_run else await _marked(gmail, before, ctx)
        listed = [
            *dict.fromkeys(reversed(await gmail.search(ctx.config.search)))
        ]  # pages may overlap when mail comes in
        if len(listed) == MOST_LISTED:
            await ctx.host.log("warning", f"more than {MOST_LISTED:,} mails match; the oldest are not looked at")
        looked = await _looked_at(gmail, cursor.new(listed)[: ctx.config.max_per_tick], ctx.config)
        if not looked.texts:
            await _check_gmail(gmail, looked.failures)
        deliver = [_message(text, n, ctx) for n, text in enumerate(looked.sent.values())]
        done = [*looked.texts]
        for mail_id, failure in looked.failures.items():
            await ctx.host.log("warning", f"a mail could not be dealt with: {failure}", {"mail": mail_id})
            cursor = cursor.failed(mail_id)
            if cursor.is_given_up(mail_id):
                done.append(mail_id)
                deliver.append(_dead_letter(mail_id, failure, ctx.config))
        after = cursor.dealt_with(done, listed)
        if ctx.config.mark_read_on_dispatch:
            after = evolve(after, to_mark=(*after.to_mark, *looked.sent))
        return TickAck(
            deliver=deliver,
            next_cursor=None if ctx.cursor is not None and after == before else after.to_bytes(),
            metrics=TickMetrics(items_seen=len(looked.texts) + len(looked.failures), items_dispatched=len(looked.sent)),
        )


async def _marked(gmail: Gmail, cursor: GmailCursor, ctx: Ctx) -> GmailCursor:
    """Mark as read what is to be. If that cannot be done now, it is done later, and keeps nothing else from happening."""
    try:
        await gmail.mark_all_read(cursor.to_mark)
    except TransientError as error:
        await ctx.host.log("warning", f"{len(cursor.to_mark)} mails could not be marked as read yet: {error}")
        return cursor
    return evolve(cursor, to_mark=())


async def _looked_at(gmail: Gmail, mail_ids: Sequence[str], config: GmailConfig) -> Looked:
    """At as many as Google and the time allow, at one at least."""
    looked, until = Looked(), trio.current_time() + LONGEST_LOOK_SECS
    for mail_id in mail_ids:
        try:
            looked.texts[mail_id] = await _text_about(gmail, mail_id, config)
        except MailBroken as failure:
            looked.failures[mail_id] = failure
        except GoogleBusy:
            if not looked.texts:
                raise
            break
        if trio.current_time() >= until:
            break
    return looked


async def _check_gmail(gmail: Gmail, failures: Mapping[str, MailBroken]) -> None:
    """Raise `TransientError` if Gmail gives nothing of any other mail either: then it is not the fault of these."""
    causes = [failure.__cause__ for failure in failures.values() if isinstance(failure.__cause__, TransientError)]
    if not causes:
        return
    others = [other for other in await gmail.search(EVERY_MAIL, len(failures) + 1) if other not in failures]
    if not others:
        raise causes[0]
    with suppress(GoogleRefused):  # an answer too
        await gmail.summary(others[0])


async def _text_about(gmail: Gmail, mail_id: str, config: GmailConfig) -> str | None:
    """The message about a mail; None if there is to be none, or the mail is gone. Raises `MailBroken`."""
    try:
        mail = mail_from(await gmail.message(mail_id))
        if not config.allows(mail):
            return None
        return config.text(mail, await extracted(mail, config.extract))
    except GoogleRefused as error:
        if error.status in OF_THE_ACCOUNT:
            raise
        if error.status == GONE:
            return None
        raise MailBroken(str(error)) from error
    except GoogleBusy:  # which says nothing of this mail
        raise
    except (TransientError, ExtractTooSlow) as error:
        raise MailBroken(str(error)) from error


def _message(text: str, n: int, ctx: Ctx) -> OutboundDelivery:
    """The `n`-th message of this tick."""
    delay = timedelta(milliseconds=n * ctx.config.dispatch_delay_ms)
    return OutboundDelivery(
        channel=ctx.config.deliver.channel,
        recipient=ctx.config.deliver.to,
        payload={"text": text},
        not_before=ctx.now + delay if delay else None,
    )


def _dead_letter(mail_id: str, error: MailBroken, config: GmailConfig) -> OutboundDelivery:
    return OutboundDelivery(
        channel=config.deliver.channel,
        recipient=config.deliver.to,
        payload={"text": f"A mail could not be read: {error}", "mail": mail_id},
        dead_because=str(error),
    )
