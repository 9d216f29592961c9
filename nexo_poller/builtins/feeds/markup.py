"""RSS, RDF, Atom and CDF, by way of feedparser."""

import calendar
import re
from contextlib import suppress
from io import BytesIO
from typing import Any

import feedparser

from nexo_poller.builtins.feeds.feed import Document, Entry, Feed, NoFeed, identity_of
from nexo_poller.builtins.feeds.text import PLAIN, resolved, text_of

LOOKED_AT_BYTES = 65_536
PROLOGUE = re.compile(rb"<!--.*?-->|<\?.*?\?>", re.DOTALL)
ROOT = re.compile(rb"<([A-Za-z_][A-Za-z0-9_.:-]*)")
# feedparser complains of these, but has read the document as it was meant
HARMLESS = (feedparser.NonXMLContentType, feedparser.CharacterEncodingOverride)


def parse_markup(document: Document) -> Feed:
    """The feed in `document`; raises `NoFeed` if it is none.

    The document's own address is kept from feedparser, which would make ids of it: `abc` would become
    `https://example.org/abc`, and every entry new when the feed moves.
    """
    parsed = feedparser.parse(
        BytesIO(document.content),
        response_headers={"content-type": document.content_type, "content-location": document.content_location},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not _is_feed(parsed, _root(document.content)):
        raise NoFeed(document)
    base = _base(parsed.feed, document.url)
    error = parsed.get("bozo_exception")
    return Feed(
        title=_text(parsed.feed, "title"),
        entries=tuple(_entry(entry, base) for entry in parsed.entries),
        flaw=None if error is None or isinstance(error, HARMLESS) else f"{type(error).__name__}: {error}",
    )


def _is_feed(parsed: Any, root: str) -> bool:
    if root == "html":
        return False
    return bool(parsed.entries or parsed.get("version") or root == "channel")  # feedparser has no word for an empty CDF


def _root(content: bytes) -> str:
    """The name of the outermost element, in lower case."""
    found = ROOT.search(PROLOGUE.sub(b"", content[:LOOKED_AT_BYTES]))
    return found[1].decode().lower() if found else ""


def _base(feed: Any, url: str) -> str:
    """Where relative links lead from: the feed's own word on where it is, else where it came from."""
    for link in feed.get("links", ()):
        if link.get("rel") == "self":
            return resolved(link.get("href", ""), url)
    return url


def _entry(entry: Any, base: str) -> Entry:
    id_, link = entry.get("id", ""), entry.get("link", "")
    date = "published" if "published" in entry else "updated"
    return Entry(
        identity=identity_of(id=id_, link=link, title=entry.get("title", ""), summary=entry.get("summary", "")),
        id=id_,
        link=resolved(_meant(link, entry), base),
        title=_text(entry, "title"),
        summary=_text(entry, "summary"),
        published=text_of(entry.get(date, "")),
        author=text_of(entry.get("author", "")),
        moment=_moment(entry.get(f"{date}_parsed")),
    )


def _meant(link: str, entry: Any) -> str:
    """`link` as the entry meant it. Some write an `xml:base` for a folder without the slash at its end.

    RFC 3986, 5.2.3 takes its last part for a file then, as feedparser does; where the other reading gives exactly the
    entry's own id, that is the one.
    """
    base = entry.get("title_detail", {}).get("base", "")
    folder = f"{base.rpartition('/')[0]}/"
    below = f"{base}/{link.removeprefix(folder)}"
    return below if below == entry.get("id") else link


def _text(element: Any, name: str) -> str:
    return text_of(element.get(name, ""), element.get(f"{name}_detail", {}).get("type", PLAIN))


def _moment(utc: Any) -> int | None:
    if utc is not None:
        with suppress(ValueError, OverflowError):  # dates that no calendar has
            return calendar.timegm(utc)
    return None
