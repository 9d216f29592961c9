"""What becomes of messages, told to listeners and to the log."""

import logging

from nexo_poller.broker import Message
from nexo_poller.broker.topics import without_account
from nexo_poller.runner.events import Feed

log = logging.getLogger(__name__)


def tell_of_delivery(feed: Feed, job_id: str, message: Message) -> None:
    """The broker has accepted it."""
    _tell(feed, job_id, message, outcome="delivered", error=None)


def tell_of_dead_letter(feed: Feed, job_id: str, message: Message, error: str) -> None:
    """It is a dead letter now, because of `error`, which is masked."""
    _tell(feed, job_id, message, outcome="dead", error=error)
    log.error("job '%s': message %s is a dead letter: %s", job_id, message.id, error)


def _tell(feed: Feed, job_id: str, message: Message, **became: str | None) -> None:
    topic = without_account(message.topic)
    feed.tell("delivery", job_id=job_id, message_id=message.id, topic=topic, **became)
