"""A daemon of one's own: the jobs of ./config, with a kind and a subscriber that are written in Python."""

import trio
from my_poller import VersionPoller

from nexo_poller import Event, PollerRunner


async def show(event: Event) -> None:
    print(event.payload["to"], event.payload["text"], flush=True)


async def main() -> None:
    runner = PollerRunner.from_config("./config").register(VersionPoller())
    runner.subscribe("plugin.outbound.>", show)
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        print("jobs:", [job.id for job in await runner.list_jobs()], flush=True)


trio.run(main)
