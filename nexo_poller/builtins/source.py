"""What the kinds that watch a list have in common: most of their configuration, and how an item becomes a message."""

from collections.abc import Iterator
from typing import Any

import httpx
from attrs import frozen

from nexo_poller.errors import Problem
from nexo_poller.poller import Deliver, OutboundDelivery
from nexo_poller.seen import FirstTick
from nexo_poller.template import render

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

    def delivery(self, item: Any) -> OutboundDelivery:
        """The message about `item`."""
        text = render(self.message_template, item)
        return OutboundDelivery(channel=self.deliver.channel, recipient=self.deliver.to, payload={"text": text})


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
