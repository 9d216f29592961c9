"""All providers of a runner: who is asked, and who counts what it cost."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from attrs import Factory, define

from nexo_poller.clock import Clock
from nexo_poller.config.model import ProviderSettings
from nexo_poller.errors import PermanentError
from nexo_poller.llm.provider import SdkProvider
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse, LlmProvider

CountTokens = Callable[[str, str, Mapping[str, int]], None]


@define(eq=False, kw_only=True)
class Providers:
    """An `LlmProvider` that hands each request to the one of its name: an embedder's `own`, or one of `settings`.

    `settings` may be exchanged at any time. A provider whose settings stay as they are keeps its connections and its
    place in the rate limit; others are closed once their answers have come and somebody asks anew.
    """

    settings: Mapping[str, ProviderSettings]
    own: Mapping[str, LlmProvider]
    clock: Clock
    count: CountTokens
    _opened: dict[ProviderSettings, SdkProvider] = Factory(dict)

    async def invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """What the model said. A request that names no provider goes to the only one there is.

        Raises `PermanentError` if there is no such provider, or what the provider raises.
        """
        await self._close_replaced()
        name = self._name(request.provider)
        response = await self._provider(name).invoke(request)
        self.count(name, request.model or response.model_id, response.usage)
        return response

    async def aclose(self) -> None:
        """Close every connection of the providers that were opened here."""
        async with AsyncExitStack() as stack:  # so that one that fails to close keeps no other from it
            for provider in self._opened.values():
                stack.push_async_callback(provider.aclose)

    async def _close_replaced(self) -> None:
        wanted = set(self.settings.values())
        for settings in [old for old, provider in self._opened.items() if provider.is_idle and old not in wanted]:
            await self._opened.pop(settings).aclose()

    def _name(self, wanted: str | None) -> str:
        known = sorted({*self.own, *self.settings})
        if wanted in known:
            return wanted
        if wanted is None and len(known) == 1:
            return known[0]
        what = (
            "the request names no provider of language models" if wanted is None else f"there is no provider '{wanted}'"
        )
        raise PermanentError(f"{what} (there are {', '.join(known) or 'none'}; add it under providers:)")

    def _provider(self, name: str) -> LlmProvider:
        if name in self.own:
            return self.own[name]
        settings = self.settings[name]
        if settings not in self._opened:
            self._opened[settings] = SdkProvider(settings, self.clock)
        return self._opened[settings]


@asynccontextmanager
async def open_providers(
    settings: Mapping[str, ProviderSettings], own: Mapping[str, LlmProvider], clock: Clock, count: CountTokens
) -> AsyncIterator[Providers]:
    """Providers for as long as the block lasts. Nothing is imported or connected before somebody asks."""
    providers = Providers(settings=settings, own=own, clock=clock, count=count)
    try:
        yield providers
    finally:
        await providers.aclose()
