import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import moments

from nexo_poller.errors import PluginPollerForwardError, TransientError
from nexo_poller.plugins.ticks import (
    TickReply,
    TickRequest,
    build_tick_request,
    decode_cursor,
    encode_cursor,
    reply_of,
    tick_reply,
    tick_request,
)
from nexo_poller.plugins.wire import message_of, reply_result, request_line, result_of
from nexo_poller.poller import OutboundDelivery, PollContext, TickAck, TickMetrics

NOW = datetime(2026, 4, 26, 15, tzinfo=UTC)

names = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)
amounts = st.integers(0, 2**32 - 1)
deliveries = st.builds(
    OutboundDelivery,
    channel=names,
    recipient=names,
    payload=json_values,
    not_before=st.none() | moments(),
    dead_because=st.none() | names,
)
acks = st.builds(
    TickAck,
    next_cursor=st.none() | st.binary(max_size=50),
    next_interval_hint=st.none() | st.integers(0, 24 * 3600).map(lambda secs: timedelta(seconds=secs)),
    metrics=st.builds(TickMetrics, items_seen=amounts, items_dispatched=amounts),
    deliver=st.lists(deliveries, max_size=3).map(tuple),
)


def context(**fields: Any) -> PollContext[Any]:
    given: dict[str, Any] = {
        "job_id": "inbox",
        "agent_id": "ana",
        "kind": "jira",
        "config": {"url": "https://x.example"},
        "cursor": None,
        "now": NOW,
        "interval_hint": timedelta(seconds=90.9),
        "host": None,
        "open_http": None,
    }
    return PollContext(**{**given, **fields})


def test_a_request_is_what_plugins_have_always_been_sent() -> None:
    request = build_tick_request(context(cursor=b"\xff\xfe?>"))
    assert json.loads(request_line(7, "poll_tick", request.params())) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "poll_tick",
        "params": {
            "kind": "jira",
            "job_id": "inbox",
            "agent_id": "ana",
            "cursor": "__4_Pg",
            "config": {"url": "https://x.example"},
            "now": "2026-04-26T15:00:00Z",
            "interval_hint_secs": 90,
        },
    }


@given(
    config=st.dictionaries(names, json_values, max_size=3),
    cursor=st.none() | st.binary(max_size=50),
    now=moments(),
    secs=amounts,
    is_dry_run=st.booleans(),
)
def test_a_plugin_reads_the_request_that_was_sent(
    config: dict[str, Any], cursor: bytes | None, now: datetime, secs: int, is_dry_run: bool
) -> None:
    hint = timedelta(seconds=secs)
    ctx = context(config=config, cursor=cursor, now=now, interval_hint=hint, is_dry_run=is_dry_run)
    request = build_tick_request(ctx)
    read = tick_request(message_of(request_line(1, "poll_tick", request.params()))["params"])
    assert read == request
    assert datetime.fromisoformat(read.now) == now
    assert (None if read.cursor is None else decode_cursor(read.cursor)) == cursor


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"kind": 5}, "params.kind"),
        ({"job_id": None}, "params.job_id"),
        ({"cursor": "!!!!"}, "params.cursor"),
        ({"config": []}, "params.config"),
        ({"now": "yesterday"}, "params.now"),
        ({"now": "2026-04-26T15:00:00"}, "params.now"),
        ({"now": None}, "params.now"),
        ({"interval_hint_secs": 1.5}, "params.interval_hint_secs"),
    ],
)
def test_a_plugin_is_told_which_member_of_a_request_is_wrong(change: dict[str, Any], member: str) -> None:
    params = {**build_tick_request(context()).params(), **change}
    with pytest.raises(ValueError, match=f"^`{member}` "):
        tick_request(params)


@given(st.binary(max_size=200))
def test_a_cursor_comes_back_as_it_was_padded_or_not(cursor: bytes) -> None:
    text = encode_cursor(cursor)
    assert text is not None
    assert "=" not in text
    assert decode_cursor(text) == cursor
    assert decode_cursor(text + "=" * (-len(text) % 4)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "!!!!",
        "=",
        "====",
        "A",
        "AAAAA",
        "QQ=",
        "QQ===",
        "QR",
        "Q Q=",
        "QQ==\n",
        "QQ==QQ==",
        "+/+/",
        "Q=Q=",
        "é",
        "\ud800",
    ],
)
def test_what_no_encoder_writes_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_cursor(text)
    with pytest.raises(PluginPollerForwardError, match=r"^plugin 'acme': `result.next_cursor` is no URL-safe base64 "):
        tick_reply({"next_cursor": text}, "acme")


@given(st.text(max_size=12))
def test_a_text_is_a_cursor_only_if_it_is_how_a_cursor_is_written(text: str) -> None:
    try:
        cursor = decode_cursor(text)
    except ValueError:
        return
    assert encode_cursor(cursor) == text.rstrip("=")


@given(acks)
def test_an_ack_of_a_plugin_arrives_as_it_would_from_a_poller_in_the_process(ack: TickAck) -> None:
    line = reply_result(1, reply_of(ack))
    assert tick_reply(result_of(message_of(line), "acme"), "acme").ack() == ack


def test_an_ack_that_says_nothing_is_nearly_empty_on_the_wire() -> None:
    assert reply_of(TickAck()) == {"metrics": {"items_seen": 0, "items_dispatched": 0}}
    assert reply_of(TickAck(next_interval_hint=timedelta(milliseconds=1)))["next_interval_secs"] == 1
    assert reply_of(TickAck(next_interval_hint=timedelta.max))["next_interval_secs"] == 24 * 3600


def test_the_older_reply_works() -> None:
    delivery = {"channel": "telegram", "recipient": "1", "payload": "new", "priority": 9}
    reply = tick_reply({"items_seen": 3, "items_dispatched": 1, "deliver": [delivery], "cost": 0.5}, "acme")
    assert reply.ack() == TickAck(
        metrics=TickMetrics(items_seen=3, items_dispatched=1),
        deliver=(OutboundDelivery(channel="telegram", recipient="1", payload="new"),),
    )


def test_members_that_are_null_are_members_left_out() -> None:
    result = {"next_cursor": None, "next_interval_secs": None, "metrics": None, "deliver": None}
    assert tick_reply(result, "acme") == tick_reply({}, "acme") == TickReply()
    assert tick_reply({"metrics": {"items_seen": None}}, "acme") == TickReply()


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        (None, "`result` is missing, and must be an object"),
        ([], "`result` must be an object, not an array"),
        ("ok", "`result` must be an object, not a string"),
        ({"next_cursor": 5}, "`result.next_cursor` must be a string, not a number"),
        ({"next_cursor": ["QQ"]}, "`result.next_cursor` must be a string, not an array"),
        ({"next_interval_secs": "60"}, "`result.next_interval_secs` must be a whole number, not a string"),
        ({"next_interval_secs": True}, "`result.next_interval_secs` must be a whole number, not a boolean"),
        (
            {"next_interval_secs": 1.5},
            "`result.next_interval_secs` must be a whole number, not a number with a fraction",
        ),
        ({"next_interval_secs": -1}, "`result.next_interval_secs` must be from 0 to 4294967295"),
        ({"next_interval_secs": 10**400}, "`result.next_interval_secs` must be from 0 to 4294967295"),
        ({"metrics": 3}, "`result.metrics` must be an object, not a number"),
        ({"metrics": {"items_seen": "3"}}, "`result.metrics.items_seen` must be a whole number, not a string"),
        ({"metrics": {"items_dispatched": -1}}, "`result.metrics.items_dispatched` must be from 0 to 4294967295"),
        ({"items_seen": False}, "`result.items_seen` must be a whole number, not a boolean"),
        ({"deliver": {}}, "`result.deliver` must be an array, not an object"),
        ({"deliver": ["x"]}, "`result.deliver[0]` must be an object, not a string"),
        (
            {"deliver": [{"channel": "c", "payload": 1}]},
            "`result.deliver[0].recipient` is missing, and must be a string",
        ),
        (
            {"deliver": [{"channel": 1, "recipient": "r", "payload": 1}]},
            "`result.deliver[0].channel` must be a string, not a number",
        ),
        ({"deliver": [{"channel": "c", "recipient": "r"}]}, "`result.deliver[0].payload` is missing"),
        (
            {"deliver": [{"channel": "c", "recipient": "r", "payload": 1, "not_before": "soon"}]},
            "`result.deliver[0].not_before` must be a moment as RFC 3339 has it, with its offset",
        ),
        (
            {"deliver": [{"channel": "c", "recipient": "r", "payload": 1, "not_before": "0001-01-01T00:00:00+14:00"}]},
            "`result.deliver[0].not_before` must be a moment as RFC 3339 has it, with its offset",
        ),
    ],
)
def test_a_reply_with_a_wrong_type_in_it_is_a_transient_error_that_names_plugin_and_member(
    result: object, complaint: str
) -> None:
    with pytest.raises(TransientError) as caught:
        tick_reply(result, "acme")
    assert str(caught.value) == f"plugin 'acme': {complaint}"
    assert isinstance(caught.value, PluginPollerForwardError)
    assert caught.value.member == complaint.split("`")[1]


@given(json_values)
def test_whatever_stands_in_a_reply_it_is_read_or_refused(result: object) -> None:
    with suppress(PluginPollerForwardError):
        tick_reply(result, "acme").ack()


def test_a_wait_that_no_timedelta_holds_is_as_long_as_any_that_is_honoured() -> None:
    assert tick_reply({"next_interval_secs": 2**32 - 1}, "acme").ack().next_interval_hint == timedelta(hours=24)


def test_a_request_is_a_value() -> None:
    request = build_tick_request(context())
    assert request == TickRequest(
        kind="jira",
        job_id="inbox",
        agent_id="ana",
        cursor=None,
        config={"url": "https://x.example"},
        now="2026-04-26T15:00:00Z",
        interval_hint_secs=90,
    )
