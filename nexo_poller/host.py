"""A poller's way out, inside the runner's own process."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attrs import define, field

from nexo_poller.config.model import JobSpec
from nexo_poller.credentials import Credentials
from nexo_poller.errors import CredentialsMissing, HostError
from nexo_poller.event import published_message
from nexo_poller.masking import Mask, masked_json
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse, LlmProvider, LogLevel

LEVELS: Final[Mapping[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
YEAR_ONE: Final = datetime.min.replace(tzinfo=UTC)
log = logging.getLogger("nexo_poller.poller")
Agents = Mapping[str, Mapping[str, str]] | None


def instance_of(agents: Agents, agent: str, channel: str) -> str | None:
    """The agent's account on `channel`; None where no agents are configured at all. Raises `CredentialsMissing`."""
    if agents is None:
        return None
    accounts = agents.get(agent, {})
    if channel not in accounts:
        raise CredentialsMissing(channel, agent, bound=accounts)
    return accounts[channel]


@define(eq=False, kw_only=True)
class InProcessHost:
    """The `PollerHost` of one tick. What it publishes waits in `published` for the tick's commit."""

    job: JobSpec
    credentials: Credentials
    llm: LlmProvider
    count: Callable[[str, Mapping[str, str]], None]
    mask: Mask
    published: list[tuple[str, bytes]] = field(factory=list)

    async def broker_publish(self, topic: str, payload: bytes) -> None:
        """See `PollerHost`."""
        published_message(
            topic, payload, id="", timestamp=YEAR_ONE
        )  # made for good at the commit; refused here and now
        self.published.append((topic, payload))

    async def credentials_get(self, channel: str) -> Mapping[str, Any]:
        """See `PollerHost`. Raises `CredentialsMissing` if the agent has no account there."""
        return await self.credentials.get(self.job.agent, channel)

    async def log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        """See `PollerHost`."""
        if level not in LEVELS:
            raise HostError(f"there is no level '{level}' to log at (there are {', '.join(LEVELS)})")
        extra = {"job_id": self.job.id, "kind": self.job.kind, **masked_json(fields or {}, self.mask)}
        log.log(LEVELS[level], "%s", self.mask(message), extra={"fields": extra})

    async def metric_inc(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """See `PollerHost`."""
        self.count(name, labels or {})

    async def llm_invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """See `PollerHost`."""
        return await self.llm.invoke(request)
