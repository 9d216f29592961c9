"""Ticks per second of a no-op poller over each way to it, and what each adds to a tick in the daemon's own process.

The rates are of many jobs that are always due, and take the whole path: claim, tick, commit, metrics on. What is added is
the difference of medians of dry runs, one after another, with nothing else to do: the way to the poller and back.

    python -m benchmarks.plugins [--json] [--seconds 5]
"""

import json
import logging
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import click
import trio

from benchmarks import machine
from benchmarks.jobs import Noop
from nexo_poller import Config, Every, JobSpec, PollerRunner, PrometheusMetrics, Settings
from nexo_poller.config.model import BrokerSettings
from nexo_poller.config.plugins import PluginManifest

Way = Literal["in process", "stdio", "nats", "ephemeral"]

WAYS: tuple[Way, ...] = ("in process", "stdio", "nats", "ephemeral")
AT_ONCE = 16
INTERVAL = timedelta(milliseconds=1)
PLUGIN = """
from attrs import frozen
from nexo_poller import Poller, TickAck
from nexo_poller.plugins import serve

@frozen
class NoConfig:
    pass

class Noop(Poller[NoConfig]):
    kind = "noop"
    config_type = NoConfig

    async def tick(self, ctx):
        return TickAck()

serve(Noop())
"""
MANIFEST = """
[plugin]
id = "noop"
version = "1.0.0"

[plugin.poller]
kinds = ["noop"]
broker_topic_prefix = "plugin.poller.noop"
"""


def manifest(way: Way, folder: Path) -> PluginManifest:
    path = folder / "nexo-plugin.toml"
    path.write_text(MANIFEST)
    folder.joinpath("plugin.py").write_text(PLUGIN)
    return PluginManifest(
        id="noop",
        version="1.0.0",
        name="noop",
        command=sys.executable,
        args=("plugin.py",),
        kinds=("noop",),
        broker_topic_prefix="plugin.poller.noop",
        lifecycle="ephemeral" if way == "ephemeral" else "long_lived",
        max_concurrent_ticks=AT_ONCE,
        folder=folder,
        path=path,
    )


class Counted(PrometheusMetrics):
    """Metrics that know how many ticks there were."""

    ticks = 0

    def tick(self, *args: Any) -> None:
        """See `Metrics`."""
        super().tick(*args)
        self.ticks += 1


@asynccontextmanager
async def serving(way: Way, jobs: int, broker: BrokerSettings, metrics: Counted) -> AsyncIterator[PollerRunner]:
    """A runner with so many jobs that are always due, and `alone`, which is paused."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path.cwd() / name
        config = Config(
            jobs=(
                *(JobSpec(id=f"job-{n}", kind="noop", agent="a", schedule=Every(INTERVAL)) for n in range(jobs)),
                JobSpec(id="alone", kind="noop", agent="a", schedule=Every(INTERVAL), paused_on_boot=True),
            ),
            settings=Settings(state_db=folder / "poller.db"),
            broker=broker if way == "nats" else BrokerSettings(),
            plugins=() if way == "in process" else (manifest(way, folder),),
        )
        runner = PollerRunner(config, metrics=metrics)
        if way == "in process":
            runner.register(Noop())
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            yield runner
            await runner.shutdown()


async def rate(way: Way, seconds: float, jobs: int, broker: BrokerSettings) -> float:
    """Ticks per second of all jobs."""
    metrics = Counted()
    async with serving(way, jobs, broker, metrics) as runner:
        await runner.run_once("alone")  # now the plugin is up
        before, began = metrics.ticks, time.perf_counter()
        await trio.sleep(seconds)
        return (metrics.ticks - before) / (time.perf_counter() - began)


async def latency_ms(way: Way, seconds: float, broker: BrokerSettings) -> float:
    """The median time of a tick, with nothing else to do."""
    async with serving(way, 0, broker, Counted()) as runner:
        await runner.run_once("alone")
        taken: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.perf_counter()
            await runner.dry_run("alone")
            taken.append(1000 * (time.perf_counter() - began))
        return statistics.median(taken)


@asynccontextmanager
async def nats_server() -> AsyncIterator[BrokerSettings]:
    """A server of our own on a free port, and where it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Path(sysconfig.get_path("scripts"), "nats-server")
    process = await trio.lowlevel.open_process(
        [server, "-a", "127.0.0.1", "-p", str(port)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield BrokerSettings(type="nats", url=f"nats://127.0.0.1:{port}")
    finally:
        process.kill()
        await process.wait()


async def measure(seconds: float, jobs: int) -> dict[str, Any]:
    """All figures of one run."""
    async with nats_server() as broker:
        rates = {way: await rate(way, seconds, jobs, broker) for way in WAYS}
        taken = {way: await latency_ms(way, seconds, broker) for way in WAYS}
    return {
        "machine": machine.describe(),
        "ticks_per_second": {way: round(per_second, 1) for way, per_second in rates.items()},
        "tick_ms": {way: round(ms, 2) for way, ms in taken.items()},
        "added_ms": {way: round(taken[way] - taken["in process"], 2) for way in WAYS[1:]},
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--seconds", default=5.0, show_default=True, help="How long each figure is measured.")
@click.option("--jobs", default=100, show_default=True, help="How many are due at once.")
def main(as_json: bool, seconds: float, jobs: int) -> None:
    """Measure what it costs that a poller runs in a process of its own."""
    logging.getLogger("nexo_poller").setLevel(logging.ERROR)  # `alone` is paused, which is no news
    figures = trio.run(measure, seconds, jobs)
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    print("machine: " + ", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
    for way in WAYS:
        added = f"  + {figures['added_ms'][way]:.2f} ms a tick" if way in figures["added_ms"] else ""
        print(f"{way:>10}  {figures['ticks_per_second'][way]:>8,} ticks/s{added}")


if __name__ == "__main__":
    main()
