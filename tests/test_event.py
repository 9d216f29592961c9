"""Events: what travels is fixed once and can be read back."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.broker import Event
from nexo_poller.errors import HostError, PermanentError
from nexo_poller.event import (
    MAX_BODY_BYTES,
    delivery_message,
    event_json,
    message_id,
    published_message,
)
from nexo_poller.poller import OutboundDelivery

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
ID = "11111111-2222-5333-8444-555555555555"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def delivery(payload: Any, channel: str = "telegram", recipient: str = "42") -> OutboundDelivery:
    return OutboundDelivery(channel=channel, recipient=recipient, payload=payload)


def body_of(payload: Any) -> Any:
    message = delivery_message(delivery(payload), topic="plugin.outbound.telegram", id=ID, timestamp=NOON)
    return json.loads(message.body)


def published(payload: bytes, topic: str = "custom.topic") -> Any:
    return json.loads(published_message(topic, payload, id=ID, timestamp=NOON).body)["payload"]


def test_an_event_has_these_fields_in_this_order() -> None:
    message = delivery_message(delivery({"text": "für €"}), topic="plugin.outbound.telegram", id=ID, timestamp=NOON)
    assert message.id == ID
    assert message.topic == "plugin.outbound.telegram"
    assert message.body.decode() == (
        f'{{"id":"{ID}","timestamp":"2026-03-01T12:00:00.123Z","topic":"plugin.outbound.telegram",'
        '"source":"plugin.poller","session_id":null,"payload":{"text":"für €","to":"42"}}'
    )


def test_the_timestamp_is_utc_whatever_zone_it_came_in() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    message = delivery_message(delivery({}), topic="t", id=ID, timestamp=there)
    assert json.loads(message.body)["timestamp"] == "2026-03-01T12:00:00.123Z"


def test_a_payload_keeps_its_own_recipient() -> None:
    assert body_of({"text": "hi", "to": "7"})["payload"] == {"text": "hi", "to": "7"}


def test_a_poller_s_payload_is_left_as_it_was() -> None:
    payload = {"text": "hi"}
    body_of(payload)
    assert payload == {"text": "hi"}


@pytest.mark.parametrize("payload", ["hi", 7, None, True, ["a", 1]])
def test_what_is_no_object_becomes_the_text_of_one(payload: Any) -> None:
    assert body_of(payload)["payload"] == {"text": payload, "to": "42"}


@given(payload=json_values)
def test_a_message_read_back_is_the_event_that_was_sent(payload: Any) -> None:
    wrapped = payload if isinstance(payload, dict) else {"text": payload}
    message = delivery_message(delivery(payload), topic="plugin.outbound.telegram", id=ID, timestamp=NOON)
    event = Event.from_json(message.body)
    assert event.payload == {"to": "42", **wrapped}
    assert event.timestamp == NOON.replace(microsecond=123_000)
    assert event_json(event) == message.body


@pytest.mark.parametrize(
    "payload", [float("nan"), {"a": float("inf")}, {"a": object()}, {("a",): 1}, {"a": {1, 2}}, b"x"]
)
def test_what_is_no_json_is_refused_with_the_channel_s_name(payload: Any) -> None:
    with pytest.raises(PermanentError, match="channel 'telegram' cannot be sent"):
        body_of(payload)


def test_a_payload_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for payload in (endless, deep):
        with pytest.raises(PermanentError, match="cannot be sent"):
            body_of(payload)


def test_half_a_surrogate_pair_does_not_stop_a_message() -> None:
    assert body_of({"text": "a\ud83db"})["payload"]["text"] == "a?b"


def test_an_event_may_be_as_large_as_nats_takes_and_not_larger() -> None:
    frame = len(delivery_message(delivery(""), topic="t", id=ID, timestamp=NOON).body)
    fits = delivery_message(delivery("x" * (MAX_BODY_BYTES - frame)), topic="t", id=ID, timestamp=NOON)
    assert len(fits.body) == MAX_BODY_BYTES
    with pytest.raises(PermanentError, match=r"1,048,577 bytes of JSON, and at most 1,048,576"):
        delivery_message(delivery("x" * (MAX_BODY_BYTES - frame + 1)), topic="t", id=ID, timestamp=NOON)


@pytest.mark.parametrize(
    ("payload", "arrives_as"),
    [
        (b'{"a": [1, 2]}', {"a": [1, 2]}),
        (b"7", 7),
        (b"null", None),
        ("grüße".encode(), "grüße"),
        (b"", ""),
        (b"NaN", "NaN"),
        (b'{"a": -Infinity}', '{"a": -Infinity}'),
        (b"{'a': 1}", "{'a': 1}"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_what_is_published_travels_as_json_or_else_as_text(payload: bytes, arrives_as: Any) -> None:
    assert published(payload) == arrives_as


def test_what_cannot_be_published_is_the_host_s_error() -> None:
    with pytest.raises(HostError, match="utf-8"):
        published(b"\xff\xfe")
    with pytest.raises(HostError, match="cannot be sent"):
        published(b"1e999")
    with pytest.raises(HostError, match="bytes of JSON"):
        published(b"x" * MAX_BODY_BYTES)


@pytest.mark.parametrize("topic", ["", "a..b", "a b", "a.*", "a.>"])
def test_only_a_topic_can_be_published_to(topic: str) -> None:
    with pytest.raises(HostError, match=r"the topic '.*' has"):
        published(b"1", topic)


def test_ids_are_the_same_when_asked_again_and_differ_for_all_else() -> None:
    store = UUID("00000000-0000-4000-8000-000000000001")
    first = message_id(store, "inbox", 7, 0)
    assert UUID(first).version == 5
    assert message_id(str(store), "inbox", 7, 0) == first
    other_store = "00000000-0000-4000-8000-000000000002"
    others = {
        message_id(other_store, "inbox", 7, 0),
        message_id(store, "inbox2", 7, 0),
        message_id(store, "inbox", 8, 0),
        message_id(store, "inbox", 7, 1),
        message_id(store, "inbox", 7, "alert"),
        message_id(store, "inbox", 70, 0),
    }
    assert len(others | {first}) == 7


def test_ids_never_change_between_releases() -> None:
    assert message_id("00000000-0000-4000-8000-000000000001", "inbox", 7, 0) == "695aed5e-ad27-50c9-9a44-2aa37fec856b"


def test_equal_moments_in_other_zones_give_equal_bytes() -> None:
    event = Event(id=ID, timestamp=NOON, topic="t", source="s", session_id=None, payload={})
    elsewhere = evolve(event, timestamp=NOON.astimezone(timezone(timedelta(hours=-8))))
    assert event_json(event) == event_json(elsewhere)
