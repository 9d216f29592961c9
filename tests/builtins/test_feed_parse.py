import json
from typing import Any

import pytest

from nexo_poller.builtins.feeds.feed import Document, Entry, Feed, NoFeed
from nexo_poller.builtins.feeds.parse import parse_feed
from nexo_poller.builtins.feeds.text import resolved, text_of
from nexo_poller.builtins.html import LONGEST_MARKUP

URL = "https://example.org/blog/feed"


def parsed(content: str | bytes, **headers: str) -> Feed:
    return parse_feed(Document(content=content.encode() if isinstance(content, str) else content, url=URL, **headers))


def rss(items: str) -> Feed:
    return parsed(f"<rss version='2.0'><channel>{items}</channel></rss>")


def atom(entries: str, attributes: str = "") -> Feed:
    return parsed(f"<feed xmlns='http://www.w3.org/2005/Atom' {attributes}>{entries}</feed>")


def json_feed(*items: Any, **fields: Any) -> Feed:
    return parsed(json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items, **fields}))


@pytest.mark.parametrize(
    ("value", "content_type", "text"),
    [
        ("a < b", "text/plain", "a < b"),
        ("AT&T, R&D", "text/plain", "AT&T, R&D"),
        ("x &amp; y", "text/plain", "x &amp; y"),
        ("List<String> or <b>?", "text/plain", "List<String> or <b>?"),
        ("An <b>important</b> thing", "text/plain", "An important thing"),
        ("a < b", "text/html", "a < b"),
        ("AT&T", "text/html", "AT&T"),
        ("x &amp;&nbsp;&lt;y&gt;", "text/html", "x & <y>"),
        ("im<b>port</b>ant", "text/html", "important"),
        ("<p>One</p><p>Two</p>Three<br>Four", "text/html", "One Two Three Four"),
        ("<ul><li>1<li>2</ul>", "application/xhtml+xml", "1 2"),
        ("a<script>alert(1)</script><style>p{}</style>b", "text/html", "ab"),
        ("<!-- a -->b", "text/html", "b"),
        (" a \n\t b ", "text/plain", "a b"),
        ("<frameset><frame></frameset>", "text/html", ""),
        ("", "text/html", ""),
    ],
)
def test_markup_becomes_text_and_text_stays_text(value: str, content_type: str, text: str) -> None:
    assert text_of(value, content_type) == text


def test_markup_of_any_depth_is_text_in_no_time() -> None:
    assert text_of("<div>" * 1_000_000 + "x", "text/html") == ""
    assert text_of("x" + "<div>" * 1_000_000, "text/html") == "x"
    assert len(text_of("word " * LONGEST_MARKUP, "text/html")) == 4096


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("7", "https://example.org/blog/7"),
        ("/7?a=b#c", "https://example.org/7?a=b#c"),
        ("//other.org/7", "https://other.org/7"),
        ("../ä", "https://example.org/ä"),
        ("tag:example.org,2026:7", "tag:example.org,2026:7"),
        ("http://[::1", "http://[::1"),
        ("channel.item[0].link", "channel.item[0].link"),
        ("see the notes", "see the notes"),
        ("", ""),
    ],
)
def test_a_relative_link_is_resolved_and_what_is_no_reference_stays(link: str, url: str) -> None:
    assert resolved(link, URL) == url


def test_an_entry_is_known_by_its_id_else_its_link_else_its_words() -> None:
    feed = rss(
        "<item><guid isPermaLink='false'>7</guid><link>/7</link></item><item><link>/8</link><title>8</title></item>"
        "<item><title>9</title></item><item><description>9</description></item><item><author>9</author></item>"
    )
    identities = [entry.identity for entry in feed.entries]
    assert identities[:2] == ["7", "/8"]
    assert all(identity.startswith("sha256:") for identity in identities[2:4])
    assert identities[2] != identities[3]
    assert identities[4] == ""


def test_where_a_feed_lies_changes_no_identity() -> None:
    content = (
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>7</id></entry><entry><link href='8'/></entry></feed>"
    )
    here, there = (
        parse_feed(Document(content=content, url=url))
        for url in ("https://example.org/feed", "http://other.org/a/feed")
    )
    assert [entry.identity for entry in here.entries] == ["7", "8"]
    assert [entry.identity for entry in there.entries] == ["7", "8"]
    assert here.entries[1].link != there.entries[1].link


def test_entries_with_dates_are_sorted_by_them() -> None:
    feed = rss(
        "<item><title>2</title><pubDate>Sun, 01 Mar 2026 11:00:00 +0000</pubDate></item>"
        "<item><title>3</title><pubDate>Sun, 01 Mar 2026 13:00:00 +0100</pubDate></item>"
        "<item><title>1</title><pubDate>Sun, 01 Mar 2026 11:30:00 +0100</pubDate></item>"
        "<item><title>0</title><pubDate>Sun, 01 Mar 2026 10:30:00 +0000</pubDate></item>"
    )
    assert [entry.title for entry in feed.oldest_first()] == ["0", "1", "2", "3"]


def test_if_one_has_no_date_the_feeds_order_is_reversed() -> None:
    feed = rss(
        "<item><title>2</title><pubDate>Sun, 01 Mar 2026 09:00:00 +0000</pubDate></item>"
        "<item><title>1</title><pubDate>someday</pubDate></item>"
        "<item><title>0</title><pubDate>Sun, 01 Mar 2026 10:00:00 +0000</pubDate></item>"
    )
    assert [entry.title for entry in feed.oldest_first()] == ["0", "1", "2"]


def test_an_atom_entry_is_read_in_full() -> None:
    feed = atom(
        "<title>Blog</title><entry><id>tag:7</id><title type='html'>A &amp;amp; B</title><link href='7'/>"
        "<updated>2026-03-01T10:00:00Z</updated><author><name>Ana</name></author>"
        "<content type='html'>&lt;p&gt;One.&lt;/p&gt;</content></entry>",
        "xml:base='https://example.net/posts/'",
    )
    assert feed == Feed(
        title="Blog",
        entries=(
            Entry(
                identity="tag:7",
                id="tag:7",
                link="https://example.net/posts/7",
                title="A & B",
                summary="One.",
                published="2026-03-01T10:00:00Z",
                author="Ana",
                moment=1772359200,
            ),
        ),
    )


def test_a_feed_knows_best_where_it_is() -> None:
    feed = atom("<link rel='self' href='https://example.net/posts/feed'/><entry><link href='7'/></entry>")
    assert feed.entries[0].link == "https://example.net/posts/7"


def test_a_base_without_its_slash_counts_as_a_folder_only_if_the_id_says_so() -> None:
    entry = "<entry xml:base='2026'><title>t</title><link href='7'/><id>https://example.net/{}</id></entry>"
    base = "xml:base='https://example.net/'"
    assert atom(entry.format("2026/7"), base).entries[0].link == "https://example.net/2026/7"
    assert atom(entry.format("other"), base).entries[0].link == "https://example.net/7"


def test_a_json_feed_is_read_in_full() -> None:
    feed = json_feed(
        {
            "id": 7,
            "url": "/7",
            "title": "a < b",
            "content_html": "<p>One.</p>",
            "date_published": "2026-03-01T11:00:00+01:00",
            "authors": [{"name": "Ana"}, {"name": "Ben"}],
        },
        title="Blog",
    )
    assert feed == Feed(
        title="Blog",
        entries=(
            Entry(
                identity="7",
                id="7",
                link="https://example.org/7",
                title="a < b",
                summary="One.",
                published="2026-03-01T11:00:00+01:00",
                author="Ana",
                moment=1772359200,
            ),
        ),
    )


@pytest.mark.parametrize(
    "item",
    [None, 7, [], {}, {"id": None, "url": 7.5, "title": ["x"], "authors": "Ana", "author": {"name": 1}}, {"id": True}],
)
def test_a_json_item_of_any_shape_is_an_entry(item: Any) -> None:
    (entry,) = json_feed(item).entries
    assert (entry.title, entry.author, entry.moment) == ("", "", None)


def test_an_item_of_version_1_0_names_one_author() -> None:
    (entry,) = json_feed({"id": "7", "author": {"name": "Ana"}, "external_url": "https://other.org/"}).entries
    assert (entry.author, entry.link) == ("Ana", "https://other.org/")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf\n <rss version='2.0'><channel><item><title>x</title></item></channel></rss>",
        "<?xml version='1.0' encoding='utf-16'?><rss><channel><item><title>x</title></item></channel></rss>".encode(
            "utf-16"
        ),
        b'\xef\xbb\xbf {"items": [{"title": "x"}]}',
        b"PHP Warning: oh no<rss version='2.0'><channel><item><title>x</title></item></channel></rss>",
    ],
    ids=["byte order mark", "utf-16", "json with byte order mark", "junk in front"],
)
def test_what_stands_before_a_feed_does_not_matter(content: bytes) -> None:
    assert [entry.title for entry in parsed(content).entries] == ["x"]


@pytest.mark.parametrize(
    "content",
    [
        b"<channel HREF='https://example.org/'></channel>",
        b"<rss version='2.0'><channel></channel></rss>",
        b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>",
        b'{"items": []}',
    ],
)
def test_a_feed_may_be_empty(content: bytes) -> None:
    assert parsed(content) == Feed(title="", entries=())


def test_a_type_that_is_not_xml_is_no_flaw() -> None:
    feed = parsed(
        "<rss version='2.0'><channel><item><title>x</title></item></channel></rss>", content_type="text/plain"
    )
    assert feed.flaw is None


@pytest.mark.parametrize(
    "content", ["<html><body><item>x</item></body></html>", "<!doctype html><feed>", "plain words", ""]
)
def test_a_page_is_no_feed_whatever_it_contains(content: str) -> None:
    if content.startswith("<!doctype"):
        content = "<!doctype html><html><rss version='2.0'></rss></html>"
    with pytest.raises(NoFeed, match=r"example\.org sent no feed but"):
        parsed(content)
