"""What a feed is before and after parsing. Pure."""

from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import urlsplit

from attrs import frozen

from nexo_poller.builtins.instead import what_came
from nexo_poller.errors import TransientError


@frozen(kw_only=True)
class Document:
    """A feed as it came. `url` is where it came from in the end, `content_location` absolute or ""."""

    content: bytes
    url: str
    content_type: str = ""
    content_location: str = ""

    @property
    def host(self) -> str:
        """The host it came from, for messages."""
        return urlsplit(self.url).hostname or "the server"


@frozen(kw_only=True)
class Entry:
    """One entry, all of it text; what the feed does not say is "".

    `identity` is its guid or id, else its link, else a digest of title and summary; "" if there is none of them.
    `published` is in the feed's own words, `moment` the same as seconds since the epoch, if they could be understood.
    """

    identity: str = ""
    id: str = ""
    link: str = ""
    title: str = ""
    summary: str = ""
    published: str = ""
    author: str = ""
    moment: int | None = None


@frozen(kw_only=True)
class Feed:
    """What a document said. `flaw` is what is malformed in it, None if nothing is."""

    title: str
    entries: Sequence[Entry]
    flaw: str | None = None

    def oldest_first(self) -> Sequence[Entry]:
        """By date, if every entry has one that can be read; otherwise the reverse of the feed's own order.

        For feeds begin with the newest.
        """
        entries = tuple(reversed(self.entries))
        moments = [entry.moment for entry in entries if entry.moment is not None]
        if len(moments) < len(entries):
            return entries
        return tuple(entry for _, entry in sorted(zip(moments, entries, strict=True), key=lambda pair: pair[0]))


class NoFeed(TransientError):
    """What came is no feed."""

    def __init__(self, document: Document, why: str = "") -> None:
        came = what_came(document.content_type, document.content)
        super().__init__(f"{document.host} sent no feed but {came}{why and f' ({why})'}")


def identity_of(*, id: str, link: str, title: str, summary: str) -> str:  # noqa: A002 - as feeds call it
    """The identity of an entry, from its fields as they came, before anything is made of them.

    So that it outlives every change in how text is made of markup.
    """
    if id or link or not (title or summary):
        return id or link
    return "sha256:" + sha256(f"{title}\0{summary}".encode("utf-8", "surrogatepass")).hexdigest()
