"""What the kinds that watch a list have in common: most of their configuration, and how an item becomes a message."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import httpx
from attrs import evolve, frozen

from nexo_poller.builtins.cursor import MOST_WAITING, Cursor
from nexo_poller.errors import Problem
from nexo_poller.poller import Deliver, OutboundDelivery, TickAck, TickMetrics
from nexo_poller.seen import Choice, FirstTick, choose
from nexo_poller.template import render

T = TypeVar("T")
MAX_BODY_BYTES = 10 * 2**20


@frozen(kw_only=True)
class SourceConfig:
    """The keys of every such kind.

    `first_tick` says what of the items found on the first tick is sent: `all`, the `latest` (`max_per_tick` of them),
    or `none`; the others count as seen. `max_body_bytes` limits the answer's body, unpacked.
    """

    deliver: Deliver
    message_template: str
    max_per_tick: int
    first_tick: FirstTick
    allow_private_networks: bool = False
    max_body_bytes: int = MAX_BODY_BYTES

    def problems(self) -> Iterator[Problem]:
        """What is wrong with these keys."""
        if self.max_per_tick < 1:
            yield Problem(
                key=("max_per_tick",),
                what=f"max_per_tick is {self.max_per_tick}, so nothing would ever be sent",
                remedy="use at least 1",
            )
        if self.max_body_bytes < 1:
            yield Problem(
                key=("max_body_bytes",),
                what=f"max_body_bytes is {self.max_body_bytes}, so no answer would be short enough",
                remedy=f"leave it out for {MAX_BODY_BYTES:,}",
            )
        if not self.message_template.strip():
            yield Problem(
                key=("message_template",),
                what="message_template is blank, so every message would be",
                remedy="name fields in braces, such as {title}, or the whole item as {json}",
            )
        for name in ("channel", "to"):
            if not getattr(self.deliver, name).strip():
                yield Problem(key=("deliver", name), what=f"deliver.{name} is blank", remedy="say where messages go")

    def choice(self, items: Iterable[tuple[str, T]], cursor: Cursor | None) -> Choice[T]:
        """What is new among `items`, pairs of identity and item, oldest first, as far as there is room for it."""
        seen, room = (cursor.seen, cursor.room) if cursor else (None, MOST_WAITING)
        return choose(items, seen, first_tick=self.first_tick, max_per_tick=self.max_per_tick, room=room)

    def text(self, item: Any) -> str:
        """The message about `item`."""
        return render(self.message_template, item)

    def ack(self, kind: str, cursor: Cursor, items_seen: int) -> TickAck:
        """Send the first of what waits; the rest waits on."""
        sent, waiting = cursor.waiting[: self.max_per_tick], cursor.waiting[self.max_per_tick :]
        channel, recipient = self.deliver.channel, self.deliver.to
        return TickAck(
            deliver=[OutboundDelivery(channel=channel, recipient=recipient, payload={"text": text}) for text in sent],
            next_cursor=evolve(cursor, waiting=waiting).to_bytes(kind),
            metrics=TickMetrics(items_seen=items_seen, items_dispatched=len(sent)),
        )


def url_problems(key: str, url: str) -> Iterator[Problem]:
    """What is wrong with the URL under `key`. Of the URL itself only the scheme is shown: the rest may be a secret."""
    remedy = "use an absolute http:// or https:// URL"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        yield Problem(key=(key,), what=f"{key} is no URL: {error}", remedy=remedy)
        return
    if parsed.scheme not in {"http", "https"}:
        yield Problem(
            key=(key,),
            what=f"{key} begins with '{parsed.scheme}:'" if parsed.scheme else f"{key} has no scheme",
            remedy=remedy,
        )
    elif not parsed.host:
        yield Problem(key=(key,), what=f"{key} names no host", remedy=remedy)
