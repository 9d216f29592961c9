"""From what a poller wants to say to a message: its id, and the JSON that travels.

Everything in a message is fixed here, once, at the commit (M1); on its way nothing is added to it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from nexo_poller.broker import Event, Message
from nexo_poller.broker.subjects import topic_fault
from nexo_poller.errors import HostError, PermanentError
from nexo_poller.poller import OutboundDelivery

SOURCE: Final = "plugin.poller"
MAX_BODY_BYTES: Final = 2**20  # what a NATS server takes unless told otherwise
MESSAGE_IDS: Final = UUID("6a8f6c0e-7f0b-5d0c-9b0e-3d3c1c1f5b52")
TO_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def message_id(store_id: UUID | str, job_id: str, fence: int, n: int | str) -> str:
    """The id of a claim's `n`-th message: the same whenever it is asked for, and nobody else's (M1)."""
    return str(uuid5(MESSAGE_IDS, f"{store_id}:{job_id}:{fence}:{n}"))


def delivery_message(delivery: OutboundDelivery, *, topic: str, id: str, timestamp: datetime) -> Message:  # noqa: A002 - the field's name
    """The message of one delivery. Its payload is an object: `{"text": …}` around anything else; `to` is added if missing.

    `timestamp` is aware. Raises `PermanentError` if the payload is no JSON value or too large.
    """
    payload = delivery.payload if isinstance(delivery.payload, Mapping) else {"text": delivery.payload}
    if "to" not in payload:
        payload = {**payload, "to": delivery.recipient}
    try:
        return _message(topic, payload, id, timestamp)
    except ValueError as error:
        raise PermanentError(f"a message for channel '{delivery.channel}' cannot be sent: {error}") from error


def published_message(topic: str, payload: bytes, *, id: str, timestamp: datetime) -> Message:  # noqa: A002 - the field's name
    """The message of a `host.broker_publish`; `payload` is JSON, or else text, and travels as it is.

    `timestamp` is aware. Raises `HostError` if the topic is none, or the payload neither JSON nor UTF-8, or too large.
    """
    given: tuple[Any, Any] = (topic, payload)
    if not isinstance(given[0], str) or not isinstance(given[1], bytes):
        raise HostError(
            f"a topic is a str and a payload bytes, not {type(topic).__name__} and {type(payload).__name__}"
        )
    if fault := topic_fault(topic):
        raise HostError(f"the topic '{topic}' {fault}")
    try:
        return _message(topic, _json_or_text(payload.decode()), id, timestamp)
    except ValueError as error:
        raise HostError(f"the payload for topic '{topic}' cannot be sent: {error}") from error


def event_json(event: Event) -> bytes:
    """The event as it travels: compact JSON in UTF-8, time in UTC to the millisecond. Equal events give equal bytes.

    Half a surrogate pair, which has no place in UTF-8, becomes "?". Raises `ValueError` if the payload is no JSON value.
    """
    fields = {
        "id": event.id,
        "timestamp": event.timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "topic": event.topic,
        "source": event.source,
        "session_id": event.session_id,
        "payload": event.payload,
    }
    try:
        return TO_JSON(fields).encode(errors="replace")
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the payload is no JSON value: {error}") from error


def _message(topic: str, payload: Any, id: str, timestamp: datetime) -> Message:  # noqa: A002 - the field's name
    event = Event(id=id, timestamp=timestamp, topic=topic, source=SOURCE, session_id=None, payload=payload)
    body = event_json(event)
    topic.encode()  # half a surrogate pair in it is a ValueError, too
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"its event has {len(body):,} bytes of JSON, and at most {MAX_BODY_BYTES:,} may travel")
    return Message(id=id, topic=topic, body=body)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
