"""A daemon whose messages go through JetStream, with a handler that gets them back from there."""

import trio
from attrs import frozen

from nexo_poller import Deliver, Event, OutboundDelivery, PollContext, Poller, PollerRunner, TickAck


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


async def show(event: Event) -> None:
    print(event.topic, event.payload["text"], flush=True)


async def main() -> None:
    runner = PollerRunner.from_config("./config").register(Greeting())
    runner.subscribe("plugin.outbound.telegram.>", show)
    await runner.serve()


trio.run(main)
