"""A plugin's way out when it is not at work on a tick."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from attrs import define

from nexo_poller import audit
from nexo_poller.broker import Broker
from nexo_poller.broker.topics import OUTBOUND, without_account
from nexo_poller.clock import Clock
from nexo_poller.credentials import Credentials
from nexo_poller.errors import BrokerError, HostError
from nexo_poller.event import published_message
from nexo_poller.host import LEVELS
from nexo_poller.masking import Mask, masked_json
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse, LlmProvider, LogLevel
from nexo_poller.runner.counting import Counting

log = logging.getLogger("nexo_poller.plugin")


@define(eq=False, kw_only=True)
class PluginHost:
    """The `PollerHost` of a plugin, on behalf of an agent, if of any. What it publishes waits for no commit."""

    plugin_id: str
    agent_id: str | None
    broker: Broker
    clock: Clock
    credentials: Credentials
    llm: LlmProvider
    counting: Counting
    mask: Mask

    async def broker_publish(self, topic: str, payload: bytes) -> None:
        """Send it now, once: there is no outbox to try again from."""
        message = published_message(topic, payload, id=str(uuid4()), timestamp=self.clock.now())
        try:
            await self.broker.publish(message)
        except BrokerError as error:
            raise HostError(f"not published: {error}") from error
        if topic.startswith(f"{OUTBOUND}."):
            shown = without_account(topic)
            audit.used(
                audit.Use(agent=None, channel=None, direction="outbound", topic=shown, plugin=self.plugin_id), None
            )

    async def credentials_get(self, channel: str) -> Mapping[str, Any]:
        """See `PollerHost`."""
        if self.agent_id is None:
            raise HostError("credentials are an agent's, and none was named")
        return await self.credentials.get(self.agent_id, channel)

    async def log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        """See `PollerHost`."""
        extra = {"plugin": self.plugin_id, **masked_json(fields or {}, self.mask)}
        log.log(LEVELS[level], "plugin '%s': %s", self.plugin_id, self.mask(message), extra={"fields": extra})

    async def metric_inc(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """See `PollerHost`."""
        masked = {label: self.mask(str(value)) for label, value in (labels or {}).items()}
        self.counting(f"plugin '{self.plugin_id}'", lambda metrics: metrics.custom(name, masked))

    async def llm_invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """See `PollerHost`."""
        return await self.llm.invoke(request)
