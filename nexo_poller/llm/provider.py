"""A provider of the configuration: its rate, its retries, and its wire, opened when somebody first asks."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import trio
from attrs import Factory, define, field

from nexo_poller.clock import Clock
from nexo_poller.config.model import ProviderSettings, RetrySettings
from nexo_poller.config.provider_fault import provider_fault
from nexo_poller.errors import ConfigError, PermanentError
from nexo_poller.llm.rate_limit import RateLimit
from nexo_poller.llm.refusals import Busy
from nexo_poller.llm.wire import Wire
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse

NO_TIME = timedelta()


@define(eq=False)
class SdkProvider:
    """An `LlmProvider` behind the SDK of its wire. Close it after use."""

    settings: ProviderSettings
    clock: Clock
    _limit: RateLimit = field(init=False)
    _opening: trio.Lock = Factory(trio.Lock)
    _wire: Wire | None = field(default=None, init=False)
    _waiting: int = field(default=0, init=False)

    @_limit.default
    def _own_limit(self) -> RateLimit:
        return RateLimit(self.settings.requests_per_second)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._waiting == 0

    async def invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """What the model said.

        A busy provider is asked again, up to `retry.max_attempts` times in all. If it wants to be left alone for longer
        than `retry.max_backoff`, that is for the job to wait.

        Raises `TransientError`, or `PermanentError` where nothing will change by itself.
        """
        if request.model is None:
            raise PermanentError(f"the request to provider '{self.settings.name}' names no model")
        self._waiting += 1
        try:
            return await self._answer(request.model, request)
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        """Close every connection."""
        if self._wire is not None:
            await self._wire.aclose()

    async def _answer(self, model: str, request: LlmInvokeRequest) -> LlmInvokeResponse:
        wire = await self._opened()
        for pause in pauses(self.settings.retry):
            await self._limit.turn()
            try:
                return await wire.ask(model, request)
            except Busy as busy:
                longest, asked_for = self.settings.retry.max_backoff, busy.retry_after or NO_TIME
                if asked_for > longest:
                    raise
            await trio.sleep(max(pause, asked_for).total_seconds())
        await self._limit.turn()
        return await wire.ask(model, request)

    async def _opened(self) -> Wire:
        async with self._opening:
            if self._wire is None:
                if problem := provider_fault(self.settings):
                    raise ConfigError(problem)
                # in a thread, as nothing else would run while the SDK is imported
                self._wire = await trio.to_thread.run_sync(partial(_wire_to, self.settings, self.clock))
            return self._wire


def pauses(retry: RetrySettings) -> Iterator[timedelta]:
    """The waits between attempts, one fewer than there are of those.

    They follow from the settings alone, with no chance in it: requests that failed together are told apart by the rate
    limit.
    """
    pause, longest = retry.initial_backoff.total_seconds(), retry.max_backoff.total_seconds()
    for _ in range(retry.max_attempts - 1):
        yield timedelta(seconds=min(pause, longest))
        pause = min(pause * retry.multiplier, longest)


def _wire_to(settings: ProviderSettings, clock: Clock) -> Wire:
    """The wire that the provider speaks. Importing its SDK takes a second."""
    match settings.api_flavor:
        case "openai_compat":
            from nexo_poller.llm.openai_wire import OpenAiWire

            return OpenAiWire(settings, clock)
        case "anthropic_messages":
            from nexo_poller.llm.anthropic_wire import AnthropicWire

            return AnthropicWire(settings, clock)
