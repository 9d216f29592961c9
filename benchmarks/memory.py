"""Memory of a sleeping job, and the time that `import nexo_poller` takes.

python -m benchmarks.memory [--json] [--jobs 10000]
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks import machine

AT_MOST_BARE = 12.0
AT_MOST_WITH_METRICS = 20.0
AT_MOST_IMPORT = 1.5
CHILD = """
import gc, tempfile
from datetime import timedelta
import trio
from benchmarks.memory import resident_kb
from benchmarks.jobs import Noop, runner_of
from nexo_poller import PrometheusMetrics

async def main():
    poller, jobs = Noop(), {jobs}
    metrics = PrometheusMetrics() if {with_metrics} else None
    with tempfile.TemporaryDirectory(dir=".") as folder:
        runner = runner_of(jobs, timedelta(hours=1), poller, folder, metrics)
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            while poller.ticks < jobs:
                await trio.sleep(0.1)
            gc.collect()
            print(resident_kb())
            await runner.shutdown()

trio.run(main)
"""


def resident_kb() -> int:
    """Resident memory of this process, in KB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def resident_of(jobs: int, *, with_metrics: bool) -> int:
    """Resident memory, in KB, of a process in which so many jobs have ticked once and sleep."""
    script = CHILD.format(jobs=jobs, with_metrics=with_metrics)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(run.stdout.split()[-1])


def kb_per_job(jobs: int, *, with_metrics: bool) -> float:
    """What each job adds to a process that has one."""
    few, many = (resident_of(n, with_metrics=with_metrics) for n in (1, jobs))
    return (many - few) / (jobs - 1)


def import_seconds(*modules: str, runs: int = 9) -> float:
    """Median time of importing the modules in a new process, the start of Python left out."""
    script = f"import time; t = time.perf_counter(); import {', '.join(modules)}; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(runs)
    ]
    return statistics.median(times)


def measure(jobs: int) -> dict[str, Any]:
    """All figures of one run."""
    ours, base = import_seconds("nexo_poller"), import_seconds("trio", "httpx", "cattrs")
    return {
        "machine": machine.describe(),
        "jobs": jobs,
        "kb_per_job": round(kb_per_job(jobs, with_metrics=False), 1),
        "kb_per_job_with_metrics": round(kb_per_job(jobs, with_metrics=True), 1),
        "import_ms": round(ours * 1000),
        "import_trio_httpx_cattrs_ms": round(base * 1000),
        "import_ratio": round(ours / base, 2),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--jobs", default=10_000, show_default=True)
def main(as_json: bool, jobs: int) -> None:
    """Measure memory and import time; exit 1 if a target is missed."""
    figures = measure(jobs)
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        print("machine: " + ", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
        print(
            f"{jobs:,} sleeping jobs: {figures['kb_per_job']} KB each, {figures['kb_per_job_with_metrics']} with metrics"
        )
        print(
            f"import nexo_poller: {figures['import_ms']} ms, {figures['import_ratio']} times "
            f"`import trio, httpx, cattrs` ({figures['import_trio_httpx_cattrs_ms']} ms)"
        )
    reached = (
        figures["kb_per_job"] <= AT_MOST_BARE,
        figures["kb_per_job_with_metrics"] <= AT_MOST_WITH_METRICS,
        figures["import_ratio"] <= AT_MOST_IMPORT,
    )
    sys.exit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
