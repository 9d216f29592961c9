import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from http_server import Request, Response, Server, http_server
from hypothesis import given
from hypothesis import strategies as st
from ticking import DELIVER, Bench, bench

from nexo_poller.builtins.cursor import CursorUnreadable
from nexo_poller.builtins.webhook_poll import WebhookPollConfig, WebhookPoller, _id
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, PermanentError, TransientError
from nexo_poller.poller import Deliver, TickMetrics

FEEDS = Path(__file__).parent / "feeds"


def answering(document: Any, *, status: int = 200, **headers: str) -> Callable[[Request], Response]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: Response(status=status, body=body, headers={"Content-Type": "application/json", **named})


def items(*ids: Any) -> list[dict[str, Any]]:
    return [{"id": id_, "name": f"n{id_}"} for id_ in ids]


@asynccontextmanager
async def polling(document: Any = (), **config: Any) -> AsyncIterator[tuple[Bench, Server]]:
    """A job on /items of a server."""
    async with (
        http_server({"/items": answering(document)}) as server,
        bench(WebhookPoller(), **{"url": server.url("/items"), "message_template": "{name}", **config}) as job,
    ):
        yield job, server


async def test_an_item_that_leaves_the_list_while_it_waits_is_sent_all_the_same() -> None:
    async with polling(items(1, 2, 3, 4), max_per_tick=2) as (job, server):
        assert await job.texts() == ["n1", "n2"]
        server.routes["/items"] = answering(items(5))
        assert await job.texts() == ["n3", "n4"]
        assert await job.texts() == ["n5"]
        assert await job.texts() == []


async def test_new_items_come_in_the_order_of_the_list_and_what_exceeds_max_per_tick_next() -> None:
    async with polling(items(3, 1, 2), max_per_tick=2) as (job, server):
        assert await job.texts() == ["n3", "n1"]
        server.routes["/items"] = answering(items(4, 3, 1, 2))
        assert await job.texts() == ["n2", "n4"]
        assert await job.texts() == []


@pytest.mark.parametrize(("first_tick", "sent"), [("latest", ["n2", "n3"]), ("none", []), ("all", ["n1", "n2"])])
async def test_the_first_tick_says_what_of_the_past_is_sent(first_tick: str, sent: list[str]) -> None:
    async with polling(items(1, 2, 3), first_tick=first_tick, max_per_tick=2) as (job, server):
        assert await job.texts() == sent
        server.routes["/items"] = answering(items(1, 2, 3, 4))
        assert await job.texts() == (["n3", "n4"] if first_tick == "all" else ["n4"])


async def test_a_get_asks_for_json_with_the_jobs_headers() -> None:
    async with polling(headers={"Authorization": "Bearer x"}) as (job, server):
        await job.tick()
        (request,) = server.requests
        assert (request.method, request.body) == ("GET", b"")
        assert (request.headers["accept"], request.headers["authorization"]) == ("application/json", "Bearer x")
        await job.tick(headers={"Accept": "application/vnd.x+json"})
        assert server.requests[1].headers["accept"] == "application/vnd.x+json"


async def test_a_post_sends_its_body_as_json() -> None:
    async with polling(method="POST", body={"query": ["ä", None]}) as (job, server):
        await job.tick()
        (request,) = server.requests
        assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
        assert json.loads(request.body) == {"query": ["ä", None]}


async def test_the_list_and_the_ids_may_lie_deep() -> None:
    document = {"data": {"pages": [{"issues": [{"key": {"id": 7}, "fields": {"tags": ["new"]}}]}]}}
    async with polling(
        document,
        items_path="data.pages.0.issues",
        id_field="key.id",
        message_template="[{key.id}] {fields} {fields.tags.0} {nothing}",
    ) as (job, _):
        ack = await job.tick()
        (delivery,) = ack.deliver
        assert (delivery.channel, delivery.recipient) == ("telegram", "42")
        assert delivery.payload == {"text": '[7] {"tags":["new"]} new {nothing}'}
        assert ack.metrics == TickMetrics(items_seen=1, items_dispatched=1)


async def test_an_item_without_an_id_is_counted_skipped_and_warned_of_once() -> None:
    nameless = [{"name": "x"}, {"id": None}, {"id": ""}, {"id": True}, {"id": {}}, {"id": []}, "text", 7, None]
    async with polling([*items(1), *nameless]) as (job, server):
        ack = await job.tick()
        assert ack.metrics == TickMetrics(items_seen=10, items_dispatched=1)
        server.routes["/items"] = answering([*nameless, *items(1, 2)])
        assert await job.texts() == ["n2"]
        ((level, message, _),) = job.host.logged
        assert level == "warning"
        assert message.startswith("9 of 10 items have no string or number at 'id' and are skipped")


async def test_numbers_and_strings_are_the_same_id() -> None:
    async with polling(items(1, "2", 1.5, 10**30)) as (job, server):
        await job.tick()
        server.routes["/items"] = answering(items("1", 2, 2.0, "1.5", str(10**30), "3"))
        assert await job.texts() == ["n3"]


@given(number=st.integers(-(2**53), 2**53))
def test_a_whole_number_is_one_id_however_it_is_written(number: int) -> None:
    assert _id(number) == _id(float(number)) == _id(str(number)) == str(number)


@given(number=st.floats())
def test_every_number_is_an_id(number: float) -> None:
    assert _id(number)


async def test_items_with_one_id_count_once() -> None:
    async with polling([{"id": 1, "name": "first"}, {"id": 1, "name": "second"}]) as (job, _):
        assert await job.texts() == ["first"]


async def test_no_content_is_an_empty_list() -> None:
    async with polling(items_path="items") as (job, server):
        server.routes["/items"] = lambda _request: Response(status=204)
        assert await job.texts() == []
        server.routes["/items"] = answering({"items": items(1)})
        assert await job.texts() == ["n1"]


@pytest.mark.parametrize(
    ("document", "items_path", "said"),
    [
        ({"a": [], "b": 1}, "", "the document is an object with the keys a, b, but items_path must lead to a list"),
        ({"data": {}}, "data", "'data' is an object with no keys, but items_path must lead to a list"),
        (
            {"data": {"x": 1}},
            "data.items",
            "items_path 'data.items' leads nowhere: 'data' is an object with the keys x, ",
        ),
        ({"data": "x"}, "data.items", "'data' is a string, without 'items'"),
        ([], "items", "items_path 'items' leads nowhere: the document is a list of 0, without 'items'"),
        (b'[{"id": 1},]', "", "sent no JSON: Expecting value at line 1, column 12; it is application/json, 12 bytes"),
        (b"<html><title>Sign in</title>", "", "the page 'Sign in', beginning '<html><title>"),
        (b'[{"id": NaN}]', "", "it contains NaN, which JSON does not have"),
        (b'[{"id": -Infinity}]', "", "it contains -Infinity"),
        (b'["\xff"]', "", "byte 2 is no UTF-8"),
        (b"[" + b"9" * 5000 + b"]", "", "sent no JSON: "),
        (b"[" * 200_000, "", "it is nested too deeply"),
        (b"", "", "it is an empty body"),
    ],
)
async def test_a_body_that_is_not_what_it_should_be_is_transient_and_says_where(
    document: Any, items_path: str, said: str
) -> None:
    async with polling(document, items_path=items_path) as (job, _):
        with pytest.raises(TransientError) as raised:
            await job.tick()
        assert str(raised.value).startswith("127.0.0.1")
        assert said in str(raised.value)


@pytest.mark.parametrize(("status", "error"), [(401, PermanentError), (410, PermanentError), (429, TransientError)])
async def test_a_status_means_what_it_means_for_every_kind(status: int, error: type[Exception]) -> None:
    async with polling() as (job, server):
        server.routes["/items"] = answering([], status=status, Retry_After="120")
        with pytest.raises(error, match=str(status)) as raised:
            await job.tick()
        if isinstance(raised.value, TransientError):
            assert raised.value.retry_after is not None
            assert raised.value.retry_after.total_seconds() == 120


async def test_a_long_list_is_read_in_a_thread_and_nothing_changes() -> None:
    async with polling(items(*range(20_000)), max_per_tick=3, message_template="{id}") as (job, _):
        assert await job.texts() == ["0", "1", "2"]
        ack = await job.tick()
        assert ack.metrics == TickMetrics(items_seen=20_000, items_dispatched=3)


@pytest.mark.parametrize(
    ("file", "sent"), [("parser__json__version_json_11.json", ["title"]), ("translator__json__json10_simple.json", [])]
)
async def test_a_json_feed_is_a_list_too(file: str, sent: list[str]) -> None:
    document = (FEEDS / "gofeed" / file).read_bytes()
    async with polling(document, items_path="items", message_template="{title}") as (job, _):
        assert await job.texts() == sent
        assert len(job.host.logged) == (not sent)


async def test_an_invalid_json_feed_delivers_nothing() -> None:
    document = (FEEDS / "gofeed" / "parser__json__invalid__invalid.json").read_bytes()
    async with polling(document, items_path="items") as (job, _):
        with pytest.raises(TransientError, match="sent no JSON: Expecting ',' delimiter at line"):
            await job.tick()


async def test_a_cursor_of_something_else_is_refused_before_anything_is_asked() -> None:
    async with polling() as (job, server):
        job.cursor = b"garbage"
        with pytest.raises(CursorUnreadable, match="reset the job"):
            await job.tick()
        assert not server.requests


def test_all_that_is_wrong_with_a_config_is_said_at_once() -> None:
    config = WebhookPollConfig(
        url="//example.org",
        deliver=Deliver(channel="", to="42"),
        message_template="{json}",
        max_per_tick=-1,
        body={"a": 1},
        headers={"X Y": "z", "Token": "se\ncret"},
        items_path="data..items",
        id_field=".id",
    )
    with pytest.raises(ConfigError) as raised:
        WebhookPoller().validate(config)
    assert {problem.key for problem in raised.value.problems} == {
        ("url",),
        ("deliver", "channel"),
        ("max_per_tick",),
        ("body",),
        ("headers", "X Y"),
        ("headers", "Token"),
        ("items_path",),
        ("id_field",),
    }
    assert all(problem.remedy for problem in raised.value.problems)
    assert "cret" not in str(raised.value)


def test_the_defaults_are_those_of_the_file_format() -> None:
    given = {"url": "https://example.org/items", "message_template": "{json}", "deliver": DELIVER}
    config = structure(given, WebhookPollConfig)
    WebhookPoller().validate(config)
    assert config == WebhookPollConfig(
        url="https://example.org/items",
        message_template="{json}",
        deliver=Deliver(channel="telegram", to="42"),
        method="GET",
        headers={},
        body=None,
        items_path="",
        id_field="id",
        max_per_tick=20,
        first_tick="all",
        allow_private_networks=False,
        max_body_bytes=10 * 2**20,
    )
