"""The demo's source: an Atom feed and a JSON API that gain numbered items all the time."""

import json
from datetime import UTC, datetime
from itertools import count
from typing import Final
from xml.sax.saxutils import escape

import trio
from attrs import Factory, define

from nexo_poller.cli.demo.web import Answer

NEWS: Final = "news"
ORDERS: Final = "orders"
GROWTH_SECS: Final = 0.15
WINDOW: Final = 400  # items a document shows, the newest ones; a minute of them, far longer than any kill

ENTRY: Final = """<entry>
<id>urn:nexo-poller:demo:{id}</id><title>{id}</title><updated>{at:%Y-%m-%dT%H:%M:%SZ}</updated>
<link href="http://demo.invalid/{link}"/></entry>"""
FEED: Final = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<id>urn:nexo-poller:demo</id><title>Demo news</title><updated>{at:%Y-%m-%dT%H:%M:%SZ}</updated>
{entries}
</feed>"""


@define(eq=False)
class Source:
    """What was published, by job, in order: the one truth that the verdict goes by. `asked` counts requests."""

    published: dict[str, list[str]] = Factory(lambda: {NEWS: [], ORDERS: []})
    asked: int = 0

    async def grow(self) -> None:
        """Publish an item in both places, again and again, until cancelled."""
        for number in count(1):
            for job, items in self.published.items():
                items.append(f"{job} #{number}")
            await trio.sleep(GROWTH_SECS)

    def feed(self) -> Answer:
        """The news as an Atom document, newest first, as feeds are."""
        self.asked += 1
        now = datetime.now(UTC)
        entries = (
            ENTRY.format(id=escape(item), at=now, link=item.rpartition("#")[2])
            for item in reversed(self.published[NEWS][-WINDOW:])
        )
        body = FEED.format(at=now, entries="\n".join(entries))
        return Answer(media_type="application/atom+xml", body=body.encode())

    def api(self) -> Answer:
        """The orders as a JSON document, oldest first."""
        self.asked += 1
        orders = [{"id": item, "state": "new"} for item in self.published[ORDERS][-WINDOW:]]
        return Answer(media_type="application/json", body=json.dumps({"orders": orders}).encode())
