"""What the scripts that serve have in common: they say `ready`, and end well on SIGTERM."""

import json
import logging
import signal
import sys
from typing import Any

import trio

from nexo_poller import PollerRunner


def arguments() -> Any:
    """What the test has to say."""
    return json.loads(sys.argv[1])


def say(line: str) -> None:
    """Tell the test."""
    print(line, flush=True)  # noqa: T201 - it reads our stdout


def serve(runner: PollerRunner) -> None:
    """Serve until SIGTERM. The log's warnings are said too."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    trio.run(_serve, runner)


async def _serve(runner: PollerRunner) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            await nursery.start(runner.serve)
            say("ready")
            await anext(aiter(signals))
            await runner.shutdown()
