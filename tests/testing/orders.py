"""A poller to be tested: new orders of a shop, by their numbers."""

from datetime import timedelta

from attrs import frozen

from nexo_poller import Deliver, OutboundDelivery, PollContext, Poller, TickAck, TransientError

CONFIG = {"url": "https://shop.example/orders", "deliver": {"channel": "telegram", "to": "42"}}


@frozen
class OrdersConfig:
    url: str
    deliver: Deliver


class Orders(Poller[OrdersConfig]):
    kind = "orders"
    description = "New orders of a shop."
    config_type = OrdersConfig

    async def tick(self, ctx: PollContext[OrdersConfig]) -> TickAck:
        answered = await ctx.http.get(ctx.config.url)
        if answered.status_code == 429:
            raise TransientError("too fast", retry_after=timedelta(seconds=int(answered.headers["Retry-After"])))
        numbers = [number for number in answered.json() if number > int(ctx.cursor or b"0")]
        await ctx.host.log("info", "looked", {"new": len(numbers)})
        await ctx.host.metric_inc("looks", {"shop": "example"})
        to = ctx.config.deliver
        return TickAck(
            next_cursor=str(max(numbers)).encode() if numbers else None,
            deliver=[OutboundDelivery(channel=to.channel, recipient=to.to, payload=f"order {n}") for n in numbers],
        )
