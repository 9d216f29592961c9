import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from http_server import Request, Response, Server, http_server, redirect
from ticking import DELIVER, Bench, bench

from nexo_poller.builtins.cursor import MOST_WAITING, Cursor, CursorUnreadable
from nexo_poller.builtins.rss import RssConfig, RssPoller
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, PermanentError, TransientError
from nexo_poller.poller import Deliver, TickMetrics
from nexo_poller.testing.clock import VirtualClock

FEEDS = Path(__file__).parent / "feeds"
EXPECTED = [json.loads(line) for line in (FEEDS / "expected.jsonl").read_text().splitlines()]
TYPES = {".xml": "application/xml", ".json": "application/feed+json"}
FIELDS = ("id", "title", "link")
UNIT = "\x1f"


class Visible(HTMLParser):
    """What a reader sees of markup, by another parser than ours."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.feed(markup)
        self.close()

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


def as_text(asserted: dict[str, str] | None) -> dict[str, str]:
    return {name: Visible(value).text if name == "title" else value for name, value in (asserted or {}).items()}


def letters(*names: str, extra: str = "") -> bytes:
    """A feed of these entries, the newest first, as feeds are."""
    items = "".join(f"<item><guid isPermaLink='false'>{name}</guid><title>{name}</title></item>" for name in names)
    return f"<rss version='2.0'><channel><title>Letters</title>{items}{extra}</channel></rss>".encode()


def serving(body: bytes, **headers: str) -> Callable[[Request], Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: Response(body=body, headers={"Content-Type": "application/rss+xml", **named})


def revalidating(body: bytes, etag: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status=304)
        return Response(body=body, headers={"ETag": etag})

    return answer


@asynccontextmanager
async def polling(**config: Any) -> AsyncIterator[tuple[Bench, Server]]:
    """A job on /feed of a server. Its feeds are parsed inline; the worker processes have their own tests."""
    poller = RssPoller()
    async with (
        http_server() as server,
        poller.lifespan(VirtualClock()),
        bench(poller, **{"feed_url": server.url("/feed"), "message_template": "{title}", **config}) as job,
    ):
        yield job, server


@pytest.mark.parametrize("expected", EXPECTED, ids=[line["file"] for line in EXPECTED])
async def test_a_feed_of_other_peoples_suites_gives_the_entries_they_assert(expected: dict[str, Any]) -> None:
    file = FEEDS / expected["file"]
    answer = serving(file.read_bytes(), **{"Content_Type": TYPES[file.suffix], **expected["headers"]})
    template = UNIT.join(f"{{{name}}}" for name in FIELDS)
    async with polling(message_template=template, first_tick="all", max_per_tick=1000) as (job, server):
        server.routes["/feed"] = answer
        if "error" in expected["why"]:
            with pytest.raises(TransientError, match=r"127\.0\.0\.1 sent no feed but "):
                await job.tick()
            return
        entries = [dict(zip(FIELDS, text.split(UNIT), strict=True)) for text in await job.texts()]
        again = await job.tick()

    for asserted in map(as_text, expected["asserted"]["entries"]):
        assert any(asserted.items() <= entry.items() for entry in entries)
    assert len(entries) == expected["asserted"].get("n", len(entries))
    assert not again.deliver


def test_no_feed_of_the_collection_goes_unexpected() -> None:
    files = {str(file.relative_to(FEEDS)) for file in FEEDS.glob("*/*") if file.parent.name != "LICENSES"}
    manifest = [line.split("\t") for line in (FEEDS / "MANIFEST.tsv").read_text().splitlines()[1:]]
    assert files == {line["file"] for line in EXPECTED} == {row[0] for row in manifest}


async def test_new_entries_come_oldest_first_and_what_exceeds_max_per_tick_comes_next() -> None:
    async with polling(first_tick="all", max_per_tick=2) as (job, server):
        server.routes["/feed"] = serving(letters("e", "d", "c", "b", "a"))
        assert await job.texts() == ["a", "b"]
        server.routes["/feed"] = serving(letters("f", "e", "d", "c", "b", "a"))
        assert await job.texts() == ["c", "d"]
        assert await job.texts() == ["e", "f"]
        assert await job.texts() == []


@pytest.mark.parametrize(("first_tick", "sent"), [("latest", ["c", "d"]), ("none", []), ("all", ["a", "b"])])
async def test_the_first_tick_says_what_of_the_past_is_sent(first_tick: str, sent: list[str]) -> None:
    async with polling(first_tick=first_tick, max_per_tick=2) as (job, server):
        server.routes["/feed"] = serving(letters("d", "c", "b", "a"))
        assert await job.texts() == sent
        server.routes["/feed"] = serving(letters("e", "d", "c", "b", "a"))
        assert await job.texts() == (["c", "d"] if first_tick == "all" else ["e"])


async def test_a_feed_that_has_not_changed_is_neither_parsed_nor_does_it_move_the_cursor() -> None:
    async with polling() as (job, server):
        server.routes["/feed"] = revalidating(letters("a"), '"v1"')
        assert await job.texts() == ["a"]
        before = job.cursor
        ack = await job.tick()
        assert (ack.next_cursor, ack.deliver, ack.metrics) == (None, (), TickMetrics())
        assert job.cursor == before
        server.routes["/feed"] = revalidating(letters("b", "a"), '"v2"')
        assert await job.texts() == ["b"]


async def test_last_modified_is_given_back_too() -> None:
    async with polling() as (job, server):
        server.routes["/feed"] = serving(letters("a"), Last_Modified="Sun, 01 Mar 2026 11:00:00 GMT")
        await job.tick()
        await job.tick()
        assert "if-modified-since" not in server.requests[0].headers
        assert server.requests[1].headers["if-modified-since"] == "Sun, 01 Mar 2026 11:00:00 GMT"


async def test_while_entries_wait_no_304_holds_them_back() -> None:
    async with polling(first_tick="all", max_per_tick=2) as (job, server):
        server.routes["/feed"] = revalidating(letters("e", "d", "c", "b", "a"), '"v1"')
        assert await job.texts() == ["a", "b"]
        assert await job.texts() == ["c", "d"]
        assert await job.texts() == ["e"]
        assert (await job.tick()).next_cursor is None
        assert [request.headers.get("if-none-match") for request in server.requests] == [None, *['"v1"'] * 3]


async def test_an_entry_that_leaves_the_feed_while_it_waits_is_sent_all_the_same() -> None:
    async with polling(first_tick="all", max_per_tick=2) as (job, server):
        server.routes["/feed"] = serving(letters("d", "c", "b", "a"))
        assert await job.texts() == ["a", "b"]
        server.routes["/feed"] = serving(letters("g", "f", "e"))
        assert await job.texts() == ["c", "d"]
        assert await job.texts() == ["e", "f"]
        assert await job.texts() == ["g"]
        assert await job.texts() == []


async def test_what_may_wait_is_limited_and_the_rest_stays_in_the_feed_until_there_is_room() -> None:
    names = [f"{number:04}" for number in range(MOST_WAITING + 3)]
    async with polling(first_tick="all", max_per_tick=2) as (job, server):
        server.routes["/feed"] = revalidating(letters(*reversed(names)), '"v1"')
        assert await job.texts() == names[:2]
        assert len(Cursor.from_bytes("rss", job.cursor or b"").waiting) == MOST_WAITING
        assert await job.texts() == names[2:4]
        assert await job.texts() == names[4:6]
        assert [request.headers.get("if-none-match") for request in server.requests] == [None, None, '"v1"']


async def test_the_validators_of_another_url_are_not_sent() -> None:
    async with polling() as (job, server):
        server.routes |= {
            "/feed": serving(letters("a"), ETag='"v1"'),
            "/moved": serving(letters("b", "a"), ETag='"v1"'),
        }
        await job.tick()
        assert await job.texts(feed_url=server.url("/moved")) == ["b"]
        assert "if-none-match" not in server.requests[1].headers


async def test_a_304_that_nobody_asked_for_is_an_error() -> None:
    async with polling() as (job, server):
        server.routes["/feed"] = lambda _request: Response(status=304)
        with pytest.raises(TransientError, match="304"):
            await job.tick()


async def test_a_delivery_carries_every_field_of_its_entry() -> None:
    item = """<item><guid isPermaLink="false">7</guid><link>/posts/7</link><title>A &amp;amp; B</title>
        <description>&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two.&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</description>
        <pubDate>Fri, 25 Sep 2009 10:00:00 +0800</pubDate><author>ana@example.org (Ana)</author></item>"""
    template = "{feed_title}|{id}|{title}|{link}|{summary}|{published}|{author}|{other}"
    async with polling(message_template=template) as (job, server):
        server.routes["/feed"] = serving(letters(extra=item))
        ack = await job.tick()
        (delivery,) = ack.deliver
        assert (delivery.channel, delivery.recipient) == ("telegram", "42")
        assert delivery.payload == {
            "text": f"Letters|7|A & B|{server.url('/posts/7')}|One. Two.|Fri, 25 Sep 2009 10:00:00 +0800|"
            "ana@example.org (Ana)|{other}"
        }
        assert ack.metrics == TickMetrics(items_seen=1, items_dispatched=1)


async def test_a_relative_link_is_resolved_against_where_the_feed_came_from_in_the_end() -> None:
    async with polling(message_template="{link}") as (job, server):
        server.routes |= {
            "/feed": redirect("/blog/feed"),
            "/blog/feed": serving(letters(extra="<item><link>posts/7</link></item>")),
        }
        assert await job.texts() == [server.url("/blog/posts/7")]


async def test_an_entry_without_anything_to_know_it_by_is_counted_and_not_sent() -> None:
    async with polling(first_tick="all") as (job, server):
        server.routes["/feed"] = serving(letters("a", extra="<item><author>x</author></item>"))
        ack = await job.tick()
        assert ack.metrics == TickMetrics(items_seen=2, items_dispatched=1)


async def test_a_malformed_feed_is_used_with_a_warning() -> None:
    async with polling() as (job, server):
        server.routes["/feed"] = serving(letters("b", "a").replace(b"</rss>", b"<oops>"))
        assert await job.texts() == ["a", "b"]
        ((level, message, fields),) = job.host.logged
        assert (level, fields["entries"]) == ("warning", 2)
        assert message == "127.0.0.1 sent a malformed feed; used what could be read of it"


async def test_a_feed_that_broke_off_before_its_first_entry_is_asked_for_again() -> None:
    async with polling(first_tick="all") as (job, server):
        server.routes["/feed"] = revalidating(letters("a")[:50], '"v1"')
        assert await job.texts() == []
        server.routes["/feed"] = revalidating(letters("a"), '"v1"')
        assert await job.texts() == ["a"]


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (
            b"<!doctype html><html><head><title>Sign\n in</title></head>",
            "text/html; charset=utf-8",
            "text/html; charset=utf-8, 57 bytes, the page 'Sign in', beginning '<!doctype html><html>",
        ),
        (b"", "text/xml", "127.0.0.1 sent no feed but an empty body"),
        (b"\x89PNG\x0d\x0a", "image/png", "no feed but image/png, 6 bytes, beginning"),
        (b'{"error": "gone"}', "application/json", "JSON, but without the `items` of a JSON Feed"),
        (b'{"items": [', "application/json", "Expecting value at line 1, column 12"),
        (b'{"items": [NaN]}', "application/json", "it contains NaN"),
        (b"[" * 100_000, "application/json", "it is nested too deeply"),
    ],
)
async def test_what_is_no_feed_is_transient_and_says_what_came(body: bytes, content_type: str, said: str) -> None:
    async with polling() as (job, server):
        server.routes["/feed"] = serving(body, Content_Type=content_type)
        with pytest.raises(TransientError) as raised:
            await job.tick()
        assert said in str(raised.value)
        assert "\r" not in str(raised.value)


@pytest.mark.parametrize(("status", "error"), [(401, PermanentError), (404, PermanentError), (503, TransientError)])
async def test_a_status_means_what_it_means_for_every_kind(status: int, error: type[Exception]) -> None:
    async with polling() as (job, server):
        server.routes["/feed"] = lambda _request: Response(status=status, body=letters("a"))
        with pytest.raises(error, match=str(status)):
            await job.tick()


async def test_a_cursor_of_something_else_is_refused_before_anything_is_asked() -> None:
    async with polling() as (job, server):
        job.cursor = b"garbage"
        with pytest.raises(CursorUnreadable, match="reset the job"):
            await job.tick()
        assert not server.requests


def test_all_that_is_wrong_with_a_config_is_said_at_once() -> None:
    config = RssConfig(
        feed_url="file:///etc/passwd",
        deliver=Deliver(channel="telegram", to=" "),
        max_per_tick=0,
        max_body_bytes=0,
        message_template="\n",
    )
    with pytest.raises(ConfigError) as raised:
        RssPoller().validate(config)
    assert {problem.key for problem in raised.value.problems} == {
        ("feed_url",),
        ("deliver", "to"),
        ("max_per_tick",),
        ("max_body_bytes",),
        ("message_template",),
    }
    assert all(problem.remedy for problem in raised.value.problems)


@pytest.mark.parametrize("url", ["", "example.org/feed", "http://", "http://[::1", "ftp://example.org"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    config = structure({"feed_url": url, "deliver": DELIVER}, RssConfig)
    with pytest.raises(ConfigError, match="feed_url"):
        RssPoller().validate(config)


def test_the_defaults_are_those_of_the_file_format() -> None:
    config = structure({"feed_url": "https://example.org/feed", "deliver": DELIVER}, RssConfig)
    RssPoller().validate(config)
    assert config == RssConfig(
        feed_url="https://example.org/feed",
        deliver=Deliver(channel="telegram", to="42"),
        max_per_tick=5,
        message_template="{title}\n{link}",
        first_tick="latest",
        allow_private_networks=False,
        max_body_bytes=10 * 2**20,
    )
