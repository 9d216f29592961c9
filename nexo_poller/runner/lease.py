"""Keeping a lease while a tick runs.

Theory of operation. The heartbeat renews at a third of the lease's life. Renewals are counted from when they were
*sent*: an answer that took long must not make us believe in time which the store never gave. So the block's deadline is
always `sent + ttl` of the last renewal known to have succeeded; a store that stops answering ends the tick in time, by
our own monotonic clock, whatever the wall clock does (L4). `LeaseLost` ends it at once.

When the block ends, because the tick is over or the lease is, its heartbeat is gone too: a renewal never outlives the
tick that it was for. Whether the lease was lost shows in whether the block reached its end.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import trio
from attrs import define

from nexo_poller.errors import LeaseLost, StoreError
from nexo_poller.store import Lease, Store

BEATS_PER_LEASE = 3


@define(eq=False)
class HeldLease:
    """A lease of `ttl`. `sent`: `trio.current_time()` from just before it was claimed, or last renewed."""

    store: Store
    lease: Lease
    ttl: timedelta
    sent: float
    _scope: trio.CancelScope | None = None

    @property
    def deadline(self) -> float:
        """When the lease may have run out, by `trio.current_time()`."""
        return self.sent + self.ttl.total_seconds()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew the lease during the block; cancel the block when it is lost."""
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            self._scope.deadline = self.deadline
            nursery.start_soon(self._beat, self._scope)
            yield
            self._scope.cancel()

    def give_up(self) -> None:
        """Cancel the block."""
        if self._scope is not None:
            self._scope.cancel()

    async def _beat(self, scope: trio.CancelScope) -> None:
        while True:
            await trio.sleep(self.ttl.total_seconds() / BEATS_PER_LEASE)
            sent = trio.current_time()
            try:
                await self.store.renew(self.lease, self.ttl)
            except LeaseLost:
                scope.cancel()
            except StoreError:
                continue  # the lease lasts until its deadline, and there are beats left
            else:
                self.sent = sent
                scope.deadline = self.deadline
