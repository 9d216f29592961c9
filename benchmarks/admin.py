"""How late ticks are while many look on: 1,000 jobs that tick, and 50 clients of the admin server.

The daemon is one process: a runner with metrics and its admin server, as `nexo-poller serve` has them. The clients are
another: some ask for the list of jobs and some for the metrics, each again as soon as it is answered, and the rest hear
every event. Lateness counts from the moment at which a tick was due, jitter included, as `poller_tick_lateness_seconds`
does; `alone` is the same without clients.

    python -m benchmarks.admin [--json] [--seconds 20]
"""

import json
import statistics
import sys
import tempfile
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import click
import httpx
import trio
from attrs import define, field

from benchmarks import machine
from benchmarks.jobs import Noop, runner_of
from nexo_poller import JobSpec, PrometheusMetrics
from nexo_poller.admin.standalone import admin_server
from nexo_poller.config.binds import TcpBind
from nexo_poller.config.model import AdminSettings

JOBS = 1_000
INTERVAL = timedelta(seconds=5)
JITTER = timedelta(seconds=2.5)
CLIENTS = {"list": 20, "metrics": 15, "events": 15}
PATHS = {"list": "/admin/pollers", "metrics": "/metrics", "events": "/admin/pollers/events"}
WARM_UP = 6.0
AT_MOST_P99_MS = 250.0


class Lateness(PrometheusMetrics):
    """Metrics that remember how late each tick was, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def late(self, job: JobSpec, by: timedelta) -> None:
        """See `Metrics`."""
        super().late(job, by)
        self.seconds.append(by.total_seconds())


@define(eq=False)
class Clients:
    """All clients of one server, and what they were told so far."""

    url: str
    answers: Counter[str] = field(factory=Counter)

    async def run(self, seconds: float) -> None:
        """Ask and listen for so long."""
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for kind, many in CLIENTS.items():
                    for _ in range(many):
                        nursery.start_soon(self.listen if kind == "events" else partial(self.ask, kind))

    async def ask(self, kind: str) -> None:
        """Ask again and again."""
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            while True:
                answer = await client.get(PATHS[kind])
                self.answers[kind if answer.is_success else f"{kind} {answer.status_code}"] += 1

    async def listen(self) -> None:
        """Hear every event."""
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=60) as client,
            client.stream("GET", PATHS["events"]) as events,
        ):
            async for line in events.aiter_lines():
                self.answers["events"] += line.startswith("event: ")


async def in_a_process_of_their_own(url: str, seconds: float) -> Counter[str]:
    """What the clients were told."""
    argv = [sys.executable, "-m", "benchmarks.admin", "--clients-of", url, "--seconds", str(seconds)]
    done = await trio.run_process(argv, capture_stdout=True)
    return Counter(json.loads(done.stdout))


async def measure(seconds: float) -> dict[str, Any]:
    """All figures of one run."""
    metrics = Lateness()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        runner = runner_of(JOBS, INTERVAL, Noop(), folder, metrics, JITTER)
        bind = AdminSettings(bind=TcpBind("127.0.0.1", 0))
        async with admin_server(runner, bind) as addresses, trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            await trio.sleep(WARM_UP)
            metrics.seconds.clear()
            await trio.sleep(seconds)
            alone, metrics.seconds = metrics.seconds, []
            answers = await in_a_process_of_their_own(addresses[0], seconds)
            watched = metrics.seconds
            await runner.shutdown()
    return {
        "machine": machine.describe(),
        "jobs": JOBS,
        "clients": CLIENTS,
        "lateness_ms": {"alone": quantiles_ms(alone), "with_clients": quantiles_ms(watched)},
        "ticks_per_second": round(len(watched) / seconds),
        "answers_per_second": {kind: round(many / seconds, 1) for kind, many in sorted(answers.items())},
    }


def quantiles_ms(seconds: list[float]) -> dict[str, float]:
    """Median, 99th percentile and longest."""
    percentiles = statistics.quantiles(seconds, n=100)
    found = {"p50": percentiles[49], "p99": percentiles[98], "longest": max(seconds)}
    return {name: round(value * 1000, 1) for name, value in found.items()}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--seconds", default=20.0, show_default=True, help="How long each is measured, after warm-up.")
@click.option("--clients-of", default=None, hidden=True, help="Be the clients of the server at this address.")
def main(as_json: bool, seconds: float, clients_of: str | None) -> None:
    """Measure how late ticks are while clients look on; exit 1 if the target is missed."""
    if clients_of is not None:
        clients = Clients(clients_of)
        trio.run(clients.run, seconds)
        print(json.dumps(clients.answers))
        return
    figures = trio.run(measure, seconds)
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        print("machine: " + ", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
        print(f"{'lateness of ' + format(JOBS, ',') + ' jobs':<24}{'p50':>10}{'p99':>10}{'longest':>10}")
        for name, late in figures["lateness_ms"].items():
            print(f"{name.replace('_', ' '):<24}" + "".join(f"{late[of]:>7} ms" for of in ("p50", "p99", "longest")))
        for kind, rate in figures["answers_per_second"].items():
            print(f"{kind:<24}{rate:>10}/s")
    sys.exit(0 if figures["lateness_ms"]["with_clients"]["p99"] < AT_MOST_P99_MS else 1)


if __name__ == "__main__":
    main()
