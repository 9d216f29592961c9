from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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
from nexo_poller.plugins.ticks import TickReply, tick_reply
from nexo_poller.plugins.wire import (
    code_of,
    error_of,
    message_of,
    reply_error,
    reply_result,
    request_line,
    result_of,
    unwrap,
)

NESTED = b'{"result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def error_in(line: bytes) -> Any:
    return message_of(line)["error"]


def test_a_request_is_one_line_whatever_is_in_it() -> None:
    line = request_line("a\nb", "poll_tick", {"config": {"text": "one\ntwo\r\u2028\u0085\ud800"}})
    assert line.splitlines() == [line.rstrip(b"\n")]
    assert line.isascii()
    assert message_of(line)["params"] == {"config": {"text": "one\ntwo\r\u2028\u0085\ud800"}}


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


@pytest.mark.parametrize("call_id", [float("inf"), [[]], {}, b"bytes"])
def test_an_error_can_be_told_whatever_was_given_as_the_id(call_id: object) -> None:
    assert message_of(reply_error(call_id, TransientError("later")))["id"] is None
