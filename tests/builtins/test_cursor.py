from typing import Any

import pytest

from nexo_poller.builtins.cursor import Cursor, CursorUnreadable, address_of, conditions_from
from nexo_poller.builtins.rss import RssPoller
from nexo_poller.builtins.webhook_poll import WebhookPoller
from nexo_poller.errors import ConfigError
from nexo_poller.poller import Poller
from nexo_poller.seen import Seen, digest

URL = "https://example.org/feed?key=secret"


def test_a_cursor_comes_back_as_it_went() -> None:
    cursor = Cursor(
        seen=Seen((digest("a"), digest("b"))),
        waiting=("B\nhttps://example.org/b", "\ud800"),
        conditions={"If-None-Match": '"v1"'},
        address=address_of(URL),
    )
    assert Cursor.from_bytes("rss", cursor.to_bytes("rss")) == cursor
    assert b"secret" not in cursor.to_bytes("rss")


def test_a_cursor_is_of_one_kind() -> None:
    with pytest.raises(
        CursorUnreadable, match=r"none that this version of kind 'webhook_poll' can read \(reset the job"
    ):
        Cursor.from_bytes("webhook_poll", Cursor().to_bytes("rss"))


@pytest.mark.parametrize(
    "cursor",
    [
        b"",
        b"\xff",
        b"garbage",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"kind":"rss","v":2,"seen":"","waiting":[],"conditions":{},"address":""}',
        b'{"kind":"rss","v":1,"seen":"","waiting":null,"conditions":{},"address":""}',
        b'{"kind":"rss","v":1,"seen":"","waiting":[],"conditions":[],"address":""}',
        b'{"kind":"rss","v":1,"seen":"AAAA","waiting":[],"conditions":{},"address":""}',
        b'{"kind":"rss","v":1,"seen":"?","waiting":[],"conditions":{},"address":""}',
        b'{"kind":"rss","v":1,"seen":null,"waiting":[],"conditions":{},"address":""}',
        b'{"kind":"rss","v":1}',
    ],
)
def test_what_is_no_cursor_is_never_taken_for_none(cursor: bytes) -> None:
    with pytest.raises(CursorUnreadable, match="reset the job"):
        Cursor.from_bytes("rss", cursor)


def test_conditions_belong_to_the_url_that_they_came_from() -> None:
    cursor = Cursor(conditions={"If-None-Match": '"v1"'}, address=address_of(URL))
    assert cursor.conditions_for(URL) == {"If-None-Match": '"v1"'}
    assert cursor.conditions_for("https://example.org/other") == {}


def test_a_validator_that_no_request_could_carry_is_left_alone() -> None:
    assert conditions_from({"ETag": '"ä"', "Last-Modified": "x" * 5000}) == {}


@pytest.mark.parametrize("poller", [RssPoller(), WebhookPoller()])
def test_an_operators_cursor_must_be_one_of_the_kind(poller: Poller[Any]) -> None:
    poller.validate_cursor(Cursor().to_bytes(poller.kind))
    for cursor in (b"junk", b"a" * 1_000_000, Cursor().to_bytes("other")):
        with pytest.raises(ConfigError, match="none that this version of kind"):
            poller.validate_cursor(cursor)
