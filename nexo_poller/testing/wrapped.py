"""A poller inside another one, which sees its ticks."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from nexo_poller.clock import Clock
from nexo_poller.poller import PollContext, Poller, TickAck
from nexo_poller.tool import Tool


class WrappedPoller(Poller[Any]):
    """Does as `inner` does. Heirs say what else happens around a tick."""

    def __init__(self, inner: Poller[Any]) -> None:
        self.inner = inner
        self.config_type = inner.config_type
        vars(self).update(kind=inner.kind, description=inner.description, channels=inner.channels)  # its class's own

    def validate(self, config: Any) -> None:
        """See `Poller`."""
        self.inner.validate(config)

    def validate_cursor(self, cursor: bytes) -> None:
        """See `Poller`."""
        self.inner.validate_cursor(cursor)

    def llm_provider(self, config: Any) -> str | None:
        """See `Poller`."""
        return self.inner.llm_provider(config)

    @asynccontextmanager
    async def lifespan(self, clock: Clock) -> AsyncIterator[None]:
        """See `Poller`."""
        async with self.inner.lifespan(clock):
            yield

    def place(self) -> AbstractAsyncContextManager[None]:
        """See `Poller`."""
        return self.inner.place()

    async def tick(self, ctx: PollContext[Any]) -> TickAck:
        """See `Poller`."""
        return await self.inner.tick(ctx)

    def custom_tools(self) -> Sequence[Tool]:
        """See `Poller`."""
        return self.inner.custom_tools()
