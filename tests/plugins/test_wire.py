import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import moments

from nexo_poller.errors import (
    ConfigError,
    CredentialsMissing,
    HostError,
    MethodNotFound,
    PermanentError,
    PluginPollerForwardError,
    TransientError,
)
from nexo_poller.failures import classify
from nexo_poller.plugins.lines import LONGEST_LINE
from nexo_poller.plugins.wire import (
    TickReply,
    TickRequest,
    build_tick_request,
    code_of,
    decode_cursor,
    encode_cursor,
    error_of,
    message_of,
    reply_error,
    reply_of,
    reply_result,
    request_line,
    result_of,
    tick_reply,
    tick_request,
    unwrap,
)
from nexo_poller.poller import OutboundDelivery, PollContext, TickAck, TickMetrics

NOW = datetime(2026, 4, 26, 15, tzinfo=UTC)
NESTED = b'{"result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

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


def error_in(line: bytes) -> Any:
    return message_of(line)["error"]


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


def test_a_request_is_one_line_whatever_is_in_it() -> None:
    line = request_line("a\nb", "poll_tick", {"config": {"text": "one\ntwo\r\u2028\u0085\ud800"}})
    assert line.splitlines() == [line.rstrip(b"\n")]
    assert line.isascii()
    assert message_of(line)["params"] == {"config": {"text": "one\ntwo\r\u2028\u0085\ud800"}}


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


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ({"id": 1}, "its reply has neither `result` nor `error`"),
        ({"id": 1, "error": None}, "its reply has neither `result` nor `error`"),
        ({"error": "boom"}, "`error` must be an object, not a string"),
        ({"error": {"code": "-32002", "message": "m"}}, "`error.code` must be a whole number, not a string"),
        ({"error": {"code": -32002}}, "`error.message` is missing, and must be a string"),
        ({"error": {"message": "m"}}, "`error.code` is missing, and must be a whole number"),
    ],
)
def test_a_reply_that_is_neither_result_nor_error_is_never_an_ack(reply: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PluginPollerForwardError) as caught:
        result_of(reply, "acme")
    assert str(caught.value) == f"plugin 'acme': {complaint}"


def test_an_error_beside_a_result_wins_and_a_null_one_is_none() -> None:
    with pytest.raises(PermanentError, match=r"^gone$"):
        result_of({"result": {}, "error": {"code": -32002, "message": "gone"}}, "acme")
    assert result_of({"result": {}, "error": None}, "acme") == {}
    assert result_of({"result": None}, "acme") is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransientError("later"), -32001),
        (TransientError("later", retry_after=timedelta(seconds=90)), -32001),
        (PermanentError("never"), -32002),
        (CredentialsMissing("google", "ana", bound=["telegram"]), -32002),
        (ConfigError("one", "two"), -32602),
        (PluginPollerForwardError("other", "is gone"), -32001),
    ],
)
def test_an_error_means_on_the_other_side_what_it_meant_on_this(error: TransientError, code: int) -> None:
    assert code_of(error) == code
    arrived = error_of(error_in(reply_error(3, error)), "acme")
    assert isinstance(error, type(arrived))
    assert str(arrived) == str(error)
    assert getattr(arrived, "retry_after", None) == getattr(error, "retry_after", None)
    assert getattr(arrived, "channel", None) == getattr(error, "channel", None)


def test_any_other_exception_ends_a_tick_as_it_would_in_the_process() -> None:
    for error in (HostError("refused"), RuntimeError("boom")):
        in_process = classify(error)
        for sent in {error, in_process} if isinstance(error, HostError) else {in_process}:
            arrived = error_of(error_in(reply_error(1, sent)), "acme")
            assert (type(arrived), str(arrived)) == (TransientError, str(in_process))


@pytest.mark.parametrize("code", [-32601, -32603, -32700, 0, 500, 10**30])
def test_a_code_without_a_meaning_is_transient_and_shown(code: int) -> None:
    error = error_of({"code": code, "message": "what?"}, "acme")
    assert isinstance(error, TransientError)
    assert isinstance(error, MethodNotFound) == (code == -32601)
    assert str(error) == f"plugin 'acme' answered with code {code}: what?"


@pytest.mark.parametrize(
    ("data", "retry_after"),
    [
        ({"retry_after_secs": 1.5}, timedelta(seconds=1.5)),
        ({"retry_after_secs": 10**300}, timedelta(hours=24)),
        ({"retry_after_secs": float("inf")}, timedelta(hours=24)),
        ({"retry_after_secs": -1}, None),
        ({"retry_after_secs": "60"}, None),
        ({"retry_after_secs": True}, None),
        ("60", None),
        (None, None),
    ],
)
def test_what_an_error_carries_beside_its_words_never_spoils_it(data: object, retry_after: timedelta | None) -> None:
    error = error_of({"code": -32001, "message": "later", "data": data}, "acme")
    assert isinstance(error, TransientError)
    assert (str(error), error.retry_after) == ("later", retry_after)


@pytest.mark.parametrize(
    "body",
    [
        b'{"result": {"next_cursor": "QQ"}}',
        b'{"id": "1", "topic": "t", "payload": {"result": {"next_cursor": "QQ"}}}',
        b'{"jsonrpc": "2.0", "id": 1, "result": {"next_cursor": "QQ"}, "payload": "mine"}',
    ],
)
def test_a_reply_may_stand_in_an_envelope_or_bare(body: bytes) -> None:
    assert tick_reply(result_of(unwrap(body), "acme"), "acme") == TickReply(next_cursor="QQ")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b'{"result": ',
        b'{"result": "\xff"}',
        b"[1]",
        b"null",
        b'{"result": NaN}',
        b'{"result": ' + b"9" * 5000 + b"}",
        b'{"payload": "text"}',
        b'{"payload": null}',
        NESTED,
    ],
    ids=lambda line: repr(line[:20]),
)
def test_what_is_no_message_says_so(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unwrap(line)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_json_cannot_hold_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        request_line(1, "poll_tick", {"config": value})
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match=r"."):
        reply_result(1, deep)


def test_what_no_line_can_hold_is_refused_before_it_is_sent() -> None:
    around = len(request_line(1, "poll_tick", {"config": ""}).strip())
    assert len(request_line(1, "poll_tick", {"config": "x" * (LONGEST_LINE - around)}).strip()) == LONGEST_LINE
    with pytest.raises(
        PermanentError, match="the call of poll_tick has 4,194,305 bytes of JSON, and at most 4,194,304 may"
    ):
        request_line(1, "poll_tick", {"config": "x" * (LONGEST_LINE - around + 1)})
    with pytest.raises(PermanentError, match="the reply has"):
        reply_result(1, "x" * LONGEST_LINE)
    assert len(reply_error(1, TransientError("x" * LONGEST_LINE))) < LONGEST_LINE


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


@pytest.mark.parametrize("call_id", [float("inf"), [[]], {}, b"bytes"])
def test_an_error_can_be_told_whatever_was_given_as_the_id(call_id: object) -> None:
    assert message_of(reply_error(call_id, TransientError("later")))["id"] is None
