"""A reload of one changed job among ten thousand, and how long the loop stands still meanwhile.

The daemon is a runner on the file that is read again: 10,000 jobs that sleep. A reload is timed from a parsed
configuration. A stall is the time between two turns of a task that asks for a turn all the time, so that it includes
whatever else this machine does; `quiet` is the longest while nothing happens. Python's own full garbage collections hold
the loop too, for as long as there are objects to look through, whoever makes them due: the longest of them is told beside
the stalls.

    python -m benchmarks.reload [--json] [--jobs 10000]
"""

import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import trio
from attrs import define

from benchmarks import machine
from benchmarks.jobs import Noop
from nexo_poller import PollerRunner, PrometheusMetrics

RELOADS = 9
QUIET_SECONDS = 5.0
AT_MOST_SECONDS = 0.5
AT_MOST_STALL_BESIDE_COLLECTIONS = 0.1


@define(eq=False)
class Stall:
    """The longest time that the loop took for a turn, and the longest garbage collection, in seconds."""

    longest: float = 0.0
    collection: float = 0.0
    _began: float = 0.0

    async def watch(self) -> None:
        """Ask for a turn after every turn."""
        last = time.perf_counter()
        while True:
            await trio.lowlevel.checkpoint()
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now

    def collecting(self, phase: str, _: object) -> None:
        """What the collector calls before and after."""
        now = time.perf_counter()
        if phase == "start":
            self._began = now
        else:
            self.collection = max(self.collection, now - self._began)


@asynccontextmanager
async def stalls() -> AsyncIterator[Stall]:
    """The longest stall during the block."""
    stall = Stall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stall.watch)
        gc.callbacks.append(stall.collecting)
        try:
            yield stall
        finally:
            gc.callbacks.remove(stall.collecting)
            nursery.cancel_scope.cancel()


def write(file: Path, jobs: int, agent: str) -> None:
    """So many jobs; the one in the middle belongs to `agent`."""
    lines = ["pollers:", "  state_db: " + str(file.with_name("poller.db")), "  jobs:"]
    for n in range(jobs):
        lines += [f"    - id: job-{n}", "      kind: noop", f"      agent: {agent if n == jobs // 2 else 'bench'}"]
        lines += ["      schedule:", "        every_secs: 86400", "      config: {}"]
    file.write_text("\n".join(lines) + "\n")


async def measure(jobs: int) -> dict[str, Any]:
    """All figures of one run."""
    reread: list[float] = []
    applied: list[float] = []
    rereading: list[Stall] = []
    applying: list[Stall] = []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        file = Path(folder, "pollers.yaml")
        write(file, jobs, "bench")
        poller = Noop()
        runner = PollerRunner.from_config(file, metrics=PrometheusMetrics()).register(poller)
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            while poller.ticks < jobs:  # noqa: ASYNC110 - a benchmark's poller tells nobody
                await trio.sleep(0.1)
            async with stalls() as quiet:
                await trio.sleep(QUIET_SECONDS)
            for n in range(RELOADS):
                write(file, jobs, f"agent-{n}")
                async with stalls() as stall:
                    began = time.perf_counter()
                    config = await runner.reread()
                    reread.append(time.perf_counter() - began)
                rereading.append(stall)
                async with stalls() as stall:
                    began = time.perf_counter()
                    plan = await runner.reload(config)
                    applied.append(time.perf_counter() - began)
                applying.append(stall)
                if len(plan.replace) != 1:
                    sys.exit(f"one job was to be replaced, and not {plan.replace}")
            await runner.shutdown()
    return {
        "machine": machine.describe(),
        "jobs": jobs,
        "apply_seconds": round(statistics.median(applied), 3),
        "apply_seconds_longest": round(max(applied), 3),
        "apply_stall_seconds": round(max(stall.longest for stall in applying), 3),
        "reread_seconds": round(statistics.median(reread), 1),
        "reread_stall_seconds": round(max(stall.longest for stall in rereading), 3),
        "reread_collection_seconds": round(max(stall.collection for stall in rereading), 3),
        "reread_stall_beside_collections_seconds": round(
            max(stall.longest - stall.collection for stall in rereading), 3
        ),
        "quiet_stall_seconds": round(quiet.longest, 3),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--jobs", default=10_000, show_default=True)
def main(as_json: bool, jobs: int) -> None:
    """Measure reloads; exit 1 if a target is missed."""
    figures = trio.run(measure, jobs)
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        print("machine: " + ", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
        print(
            f"1 of {jobs:,} jobs changed, applied in {figures['apply_seconds']} s (longest of {RELOADS}: "
            f"{figures['apply_seconds_longest']} s); the loop stood still for {figures['apply_stall_seconds']} s at most"
        )
        print(
            f"the file read again in {figures['reread_seconds']} s; the loop stood still for "
            f"{figures['reread_stall_seconds']} s at most, of which a garbage collection took "
            f"{figures['reread_collection_seconds']} s; quiet: {figures['quiet_stall_seconds']} s"
        )
    reached = (
        figures["apply_seconds_longest"] <= AT_MOST_SECONDS,
        figures["reread_stall_beside_collections_seconds"] <= AT_MOST_STALL_BESIDE_COLLECTIONS,
    )
    sys.exit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
