"""The broker outside of the process that the configuration names, for as long as a runner is open."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from nexo_poller.broker import Broker
from nexo_poller.broker.topics import outbound_topic, without_account
from nexo_poller.config.model import GOOGLE, Config
from nexo_poller.errors import ConfigError, PermanentError, Problem

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_broker(config: Config) -> AsyncIterator[Broker]:
    """The broker of `broker: {type: nats}`. Raises `ConfigError` if it cannot be used; a server that is away is not waited for."""
    try:
        from nexo_poller.broker.nats.broker import NatsBroker
    except ModuleNotFoundError as error:
        what = f"`type: nats` needs the package '{error.name}', which is not installed"
        raise ConfigError(
            Problem(what=what, remedy='pip install "nexo-poller[nats]"', key=("broker", "type"))
        ) from error
    attempts = config.settings.max_delivery_attempts
    topics = sorted({*topics_of(config)})
    async with NatsBroker.open(config.broker, max_attempts=attempts, topics=topics, warn=_warn) as broker:
        yield broker


def topics_of(config: Config) -> Iterator[str]:
    """Where the jobs of the configuration can send to, as far as that is known before they do: topics and patterns."""
    for agent in {job.agent for job in config.jobs}:
        for channel, instance in ((config.agents or {}).get(agent) or {}).items():
            if channel != GOOGLE:
                try:
                    yield outbound_topic(channel, instance)
                except PermanentError:
                    continue  # and no tick could send there, either
    for manifest in config.plugins:
        yield from manifest.publish


def _warn(topic: str) -> None:
    """Say what becomes of messages that no stream keeps (O7)."""
    log.warning(
        "no stream of JetStream covers '%s': what is published there is delivered at most once (add a stream over it)",
        without_account(topic),
    )
