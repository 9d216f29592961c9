"""A poller as it should be, from which others differ in one thing."""

from attrs import frozen

from nexo_poller import Deliver, OutboundDelivery, PollContext, Poller, TickAck, TransientError

URL = "https://shop.example/orders"
CONFIG = {"url": URL, "deliver": {"channel": "telegram", "to": "42"}}


@frozen
class OrdersConfig:
    url: str
    deliver: Deliver


class Orders(Poller[OrdersConfig]):
    """Sends the numbers beyond its cursor, which is the highest that it sent."""

    kind = "orders"
    description = "New orders of a shop."
    config_type = OrdersConfig

    async def tick(self, ctx: PollContext[OrdersConfig]) -> TickAck:
        return self.ack(await self.listed(ctx), ctx)

    async def listed(self, ctx: PollContext[OrdersConfig]) -> list[int]:
        answered = await ctx.http.get(ctx.config.url)
        if not answered.is_success:
            raise TransientError(f"the shop answered {answered.status_code}")
        numbers: list[int] = answered.json()
        return numbers

    def ack(self, numbers: list[int], ctx: PollContext[OrdersConfig]) -> TickAck:
        new = [number for number in numbers if number > int(ctx.cursor or b"0")]
        return TickAck(
            next_cursor=str(max(new)).encode() if new else None, deliver=[message(number, ctx) for number in new]
        )


def message(number: int, ctx: PollContext[OrdersConfig]) -> OutboundDelivery:
    to = ctx.config.deliver
    return OutboundDelivery(channel=to.channel, recipient=to.to, payload=f"order {number}")
