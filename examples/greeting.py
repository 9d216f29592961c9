"""A kind that needs nothing from outside: it counts its greetings in its cursor. Other examples use it."""

import trio
from attrs import frozen

from nexo_poller import Deliver, OutboundDelivery, PollContext, Poller, TickAck


@frozen
class GreetingConfig:
    deliver: Deliver


class Greeting(Poller[GreetingConfig]):
    kind = "greeting"
    description = "Says which time it says hello."
    config_type = GreetingConfig

    async def tick(self, ctx: PollContext[GreetingConfig]) -> TickAck:
        await trio.lowlevel.checkpoint()
        n, to = int(ctx.cursor or b"0") + 1, ctx.config.deliver
        hello = OutboundDelivery(channel=to.channel, recipient=to.to, payload=f"hello, for time {n}")
        return TickAck(deliver=[hello], next_cursor=str(n).encode())
