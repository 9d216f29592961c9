"""A poller to be tested, which asks more of the harness than the one that others differ from."""

from datetime import timedelta

from right_pollers import CONFIG, OrdersConfig
from right_pollers import Orders as RightOrders

from nexo_poller import PollContext, TickAck, TransientError

__all__ = ["CONFIG", "Orders"]


class Orders(RightOrders):
    async def tick(self, ctx: PollContext[OrdersConfig]) -> TickAck:
        ack = await super().tick(ctx)
        await ctx.host.log("info", "looked", {"new": len(ack.deliver)})
        await ctx.host.metric_inc("looks", {"shop": "example"})
        return ack

    async def listed(self, ctx: PollContext[OrdersConfig]) -> list[int]:
        answered = await ctx.http.get(ctx.config.url)
        if answered.status_code == 429:
            raise TransientError("too fast", retry_after=timedelta(seconds=int(answered.headers["Retry-After"])))
        numbers: list[int] = answered.json()
        return numbers
