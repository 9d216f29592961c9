"""docs/howto/channels.md: the event that it shows is what is sent. Its configuration is checked by test_snippets.py."""

import json
from datetime import UTC, datetime

from snippets import snippets

from nexo_poller import OutboundDelivery
from nexo_poller.broker.topics import outbound_topic
from nexo_poller.event import delivery_message


def test_the_event_that_it_shows_is_what_is_sent() -> None:
    (shown,) = (json.loads(one.code) for one in snippets("docs/howto/channels.md") if one.language == "json")
    delivery = OutboundDelivery(channel="telegram", recipient="12345", payload="Python 3.15 is out")
    message = delivery_message(
        delivery,
        topic=outbound_topic("telegram", "ana_bot"),
        id=shown["id"],
        timestamp=datetime(2026, 4, 26, 15, tzinfo=UTC),
    )
    assert json.loads(message.body) == shown
