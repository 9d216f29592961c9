"""Two runners in one process: each has its jobs, its database and its subscribers, and neither knows of the other.

Say `two_runners.py ana bo`: each of them gets a database in ./data.
"""

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from signal import SIGINT, SIGTERM

import trio
from greeting import Greeting

from nexo_poller import Config, Event, Every, JobSpec, PollerRunner, Settings


def runner_for(agent: str) -> PollerRunner:
    job = JobSpec(
        id="hello",
        kind="greeting",
        agent=agent,
        schedule=Every(timedelta(seconds=1), jitter=timedelta()),
        config={"deliver": {"channel": "inbox", "to": agent}},
    )
    runner = PollerRunner(Config(settings=Settings(state_db=Path("data", f"{agent}.db")), jobs=(job,)))
    runner.register(Greeting()).subscribe("plugin.outbound.>", shown_as(f"{agent}'s runner:"))
    return runner


def shown_as(title: str) -> Callable[[Event], Awaitable[None]]:
    async def show(event: Event) -> None:
        print(title, event.payload["to"], event.payload["text"], flush=True)

    return show


async def main(agents: list[str]) -> None:
    runners = [runner_for(agent) for agent in agents]
    async with trio.open_nursery() as nursery:
        for runner in runners:
            await nursery.start(runner.serve)
        with trio.open_signal_receiver(SIGINT, SIGTERM) as signals:
            await anext(signals)
        for runner in runners:
            nursery.start_soon(runner.shutdown)


trio.run(main, sys.argv[1:])
