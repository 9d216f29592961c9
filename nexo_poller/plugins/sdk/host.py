"""A poller's way out of a plugin: the same five methods, answered by the daemon."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from attrs import asdict, frozen

from nexo_poller.errors import HostError, TransientError
from nexo_poller.masking import masked_json
from nexo_poller.plugins.sdk.payloads import published_payload
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse, LogLevel

REFUSAL: Final = f"{HostError.__name__}: "  # as `error_of` begins what a host says
Call = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Asks the daemon for a method; raises what its error stands for: `TransientError`, `PermanentError`."""


@frozen(kw_only=True)
class BrokerPollerHost:
    """The `PollerHost` of one tick of `job_id`, or of no tick, in a plugin; `call` speaks over a pipe as over a broker."""

    job_id: str | None
    agent_id: str
    call: Call

    async def broker_publish(self, topic: str, payload: bytes) -> None:
        """See `PollerHost`. Raises `HostError` as well for a topic that the plugin's manifest does not allow."""
        await self._asked("broker_publish", topic=topic, payload=published_payload(topic, payload))

    async def credentials_get(self, channel: str) -> Mapping[str, Any]:
        """See `PollerHost`. Raises `CredentialsMissing` if the agent has no account there."""
        found = await self._asked("credentials_get", channel=channel, agent_id=self.agent_id)
        if not isinstance(found, Mapping):
            raise HostError("the daemon's answer to credentials_get is no mapping")
        return found

    async def log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        """See `PollerHost`."""
        await self._asked("log", level=level, message=message, fields=masked_json(fields or {}, str))

    async def metric_inc(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """See `PollerHost`. The daemon puts `poller_plugin_` before the name."""
        texts = {label: str(value) for label, value in (labels or {}).items()}
        await self._asked("metric_inc", name=name, labels=texts)

    async def llm_invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """See `PollerHost`. An error of the provider ends the tick as it would in the daemon."""
        said = await self._called("llm_invoke", **asdict(request))
        try:
            return LlmInvokeResponse(
                content=str(said["content"]), model_id=str(said["model_id"]), usage=said.get("usage") or {}
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise HostError(f"the daemon's answer to llm_invoke is not as it should be: {error!r}") from error

    async def _asked(self, method: str, **params: Any) -> Any:
        """The daemon's answer. What may pass is a `HostError` here, as in the daemon."""
        try:
            return await self._called(method, **params)
        except TransientError as error:
            raise HostError(str(error).removeprefix(REFUSAL)) from error

    async def _called(self, method: str, **params: Any) -> Any:
        of_tick = {} if self.job_id is None else {"job_id": self.job_id}
        return await self.call(method, {**of_tick, **params})
