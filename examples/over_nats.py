"""A daemon whose messages go through JetStream, with a handler that gets them back from there."""

import trio
from greeting import Greeting

from nexo_poller import Event, PollerRunner


async def show(event: Event) -> None:
    print(event.topic, event.payload["text"], flush=True)


async def main() -> None:
    runner = PollerRunner.from_config("./config").register(Greeting())
    runner.subscribe("plugin.outbound.telegram.>", show)
    await runner.serve()


trio.run(main)
