"""The kind `rss`: new entries of a feed."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urljoin

import httpx
import trio
from attrs import Factory, define, frozen

from nexo_poller.builtins.cursor import Cursor, address_of, conditions_from
from nexo_poller.builtins.feeds.feed import Document, Entry, Feed
from nexo_poller.builtins.feeds.workers import PARSE_TIMEOUT, FeedWorkers, InlineFeeds
from nexo_poller.builtins.offload import worked_out
from nexo_poller.builtins.source import SourceConfig, url_problems
from nexo_poller.clock import Clock
from nexo_poller.errors import ConfigError
from nexo_poller.http.answers import raise_for_answer
from nexo_poller.http.errors import tick_errors
from nexo_poller.poller import PollContext, Poller, TickAck
from nexo_poller.seen import Choice, FirstTick

NOT_MODIFIED = 304
ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.8"


@frozen(kw_only=True)
class RssConfig(SourceConfig):
    """The keys of kind `rss`. Template fields: title, link, summary, id, published, author, feed_title."""

    feed_url: str
    max_per_tick: int = 5
    message_template: str = "{title}\n{link}"
    first_tick: FirstTick = "latest"


@define(eq=False)
class Lifespans:
    """How many runners of one trio run hold this poller open, and what they parse with."""

    parser: FeedWorkers | InlineFeeds
    number: int = 0


@define(eq=False)
class RssPoller(Poller[RssConfig]):
    """Feeds of any format, each entry once, oldest first. A 304 costs no parsing and leaves the cursor as it is.

    `parse_timeout` is how long a document may take the parser.
    """

    kind = "rss"
    description = "New entries of an RSS, RDF, Atom, CDF or JSON feed."
    config_type = RssConfig

    _parse_timeout: timedelta = PARSE_TIMEOUT
    # by trio run, since a process belongs to the run that started it
    _open: dict[trio.lowlevel.TrioToken, Lifespans] = Factory(dict)

    def validate(self, config: RssConfig) -> None:
        """See `Poller`."""
        if problems := [*url_problems("feed_url", config.feed_url), *config.problems()]:
            raise ConfigError(*problems)

    def validate_cursor(self, cursor: bytes) -> None:
        """See `Poller`."""
        Cursor.from_bytes(self.kind, cursor)

    @asynccontextmanager
    async def lifespan(self, clock: Clock) -> AsyncIterator[None]:
        """Keep the worker processes between ticks. The last to leave ends them."""
        run = trio.lowlevel.current_trio_token()
        lifespans = self._open.setdefault(
            run, Lifespans(InlineFeeds() if clock.virtual else FeedWorkers(self._parse_timeout))
        )
        lifespans.number += 1
        try:
            yield
        finally:
            lifespans.number -= 1
            if not lifespans.number:
                del self._open[run]
                await lifespans.parser.aclose()

    async def tick(self, ctx: PollContext[RssConfig]) -> TickAck:
        """Ask for the feed, on condition that it changed, and send what is new in it."""
        url = ctx.config.feed_url
        cursor = None if ctx.cursor is None else Cursor.from_bytes(self.kind, ctx.cursor)
        conditions = cursor.conditions_for(url) if cursor else {}
        with tick_errors():
            response = await ctx.http.get(url, headers={"Accept": ACCEPT, **conditions})
        if cursor and conditions and response.status_code == NOT_MODIFIED:
            return ctx.config.ack(self.kind, cursor, 0) if cursor.waiting else TickAck()
        raise_for_answer(response.status_code, response.headers, ctx.now, host=response.url.host)
        feed = await self._parse(_document(response))
        if feed.flaw:
            await ctx.host.log(
                "warning",
                f"{response.url.host} sent a malformed feed; used what could be read of it",
                {"flaw": feed.flaw, "entries": len(feed.entries)},
            )
        choice = await worked_out(len(response.content), partial(_choice, feed, cursor, ctx.config))
        texts = (ctx.config.text(_item(entry, feed)) for entry in choice.chosen)
        found = Cursor(
            seen=choice.seen,
            waiting=(*(cursor.waiting if cursor else ()), *texts),
            conditions=_conditions(response, feed, choice),
            address=address_of(url),
        )
        return ctx.config.ack(self.kind, found, len(feed.entries))

    async def _parse(self, document: Document) -> Feed:
        lifespans = self._open.get(trio.lowlevel.current_trio_token())
        if lifespans:
            return await lifespans.parser.parse(document)
        async with aclosing(FeedWorkers(self._parse_timeout)) as workers:  # a single tick, outside of any runner
            return await workers.parse(document)


def _document(response: httpx.Response) -> Document:
    url = str(response.url)
    location = response.headers.get("Content-Location", "")
    return Document(
        content=response.content,
        url=url,
        content_type=response.headers.get("Content-Type", ""),
        content_location=location and urljoin(url, location),
    )


def _choice(feed: Feed, cursor: Cursor | None, config: RssConfig) -> Choice[Entry]:
    return config.choice(((entry.identity, entry) for entry in feed.oldest_first() if entry.identity), cursor)


def _conditions(response: httpx.Response, feed: Feed, choice: Choice[Entry]) -> Mapping[str, str]:
    """None while new entries are left in the feed, for a 304 would hold them back; nor from one that broke at once."""
    if choice.left or (feed.flaw and not feed.entries):
        return {}
    return conditions_from(response.headers)


def _item(entry: Entry, feed: Feed) -> dict[str, Any]:
    return {
        "title": entry.title,
        "link": entry.link,
        "summary": entry.summary,
        "id": entry.id,
        "published": entry.published,
        "author": entry.author,
        "feed_title": feed.title,
    }
