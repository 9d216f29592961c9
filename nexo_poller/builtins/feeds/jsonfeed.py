"""JSON Feed, versions 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nexo_poller.builtins.feeds.feed import Document, Entry, Feed, NoFeed, identity_of
from nexo_poller.builtins.feeds.text import resolved, text_of
from nexo_poller.builtins.strict_json import NotJson, parse_json


def parse_json_feed(document: Document) -> Feed:
    """The feed in `document`; raises `NoFeed` if it is none. Its `version` is not looked at: many get it wrong."""
    try:
        feed = parse_json(document.content)
    except NotJson as error:
        raise NoFeed(document, why=str(error)) from error
    if not isinstance(feed, Mapping) or not isinstance(feed.get("items"), list):
        raise NoFeed(document, why="JSON, but without the `items` of a JSON Feed")
    return Feed(
        title=text_of(_string(feed, "title")), entries=tuple(_entry(item, document.url) for item in feed["items"])
    )


def _entry(item: Any, base: str) -> Entry:
    if not isinstance(item, Mapping):
        return Entry()
    id_, link = _string(item, "id"), _string(item, "url", "external_url")
    title, html = _string(item, "title"), _string(item, "content_html")
    summary = _string(item, "summary", "content_text")
    published = _string(item, "date_published", "date_modified")
    return Entry(
        identity=identity_of(id=id_, link=link, title=title, summary=summary or html),
        id=id_,
        link=resolved(link, base),
        title=text_of(title),
        summary=text_of(summary) if summary else text_of(html, "text/html"),
        published=text_of(published),
        author=_author(item),
        moment=_moment(published),
    )


def _string(item: Mapping[str, Any], *names: str) -> str:
    """The first of these that is there. Ids were numbers in some feeds; the specification says to take them too."""
    for name in names:
        match item.get(name):
            case str(text) if text:
                return text
            case bool():
                continue
            case int(number) | float(number):
                return str(number)
    return ""


def _author(item: Mapping[str, Any]) -> str:
    match item:
        case {"authors": [{"name": str(name)}, *_]} | {"author": {"name": str(name)}}:  # 1.1, 1.0
            return text_of(name)
    return ""


def _moment(published: str) -> int | None:
    try:
        moment = datetime.fromisoformat(published)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
