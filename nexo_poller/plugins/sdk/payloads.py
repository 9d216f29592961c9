"""What a poller sends, as JSON holds it: refused here and now, in the same words, if the daemon would refuse it."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from nexo_poller.broker import Message
from nexo_poller.event import delivery_message, published_message
from nexo_poller.poller import OutboundDelivery

YEAR_ONE: Final = datetime.min.replace(tzinfo=UTC)  # the daemon makes the messages for good


def published_payload(topic: str, payload: bytes) -> Any:
    """`payload` of a publication for `topic`. Raises `HostError` for what cannot be published."""
    return _payload(published_message(topic, payload, id="", timestamp=YEAR_ONE))


def delivered_payload(delivery: OutboundDelivery) -> Any:
    """The payload of `delivery`, always an object. Raises `PermanentError` if it is no JSON, or too large."""
    return _payload(delivery_message(delivery, topic="", id="", timestamp=YEAR_ONE))


def _payload(message: Message) -> Any:
    return json.loads(message.body)["payload"]
