"""Durable no-op ticks per second, beside the limit that SQLite sets and beside APScheduler.

Every tick takes the whole path: claim, tick, commit with history, metrics on, `synchronous=FULL`. The raw limit is the
very same statements with the same PRAGMAs on the same disk, in batches of 1,000, by one loop and nothing else.

    python -m benchmarks.ticks [--json] [--seconds 10]
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import click
import trio

from benchmarks import machine
from benchmarks.jobs import Noop, runner_of
from nexo_poller import PrometheusMetrics
from nexo_poller.store import leases, schema

WARM_UP = 3.0
JOBS = (1, 100, 1_000, 10_000)
COMPARED = 1_000
BATCH = 1_000
INTERVAL = timedelta(milliseconds=1)
AT_LEAST_APSCHEDULER = 8.0
AT_LEAST_RAW = 0.13
AT_LEAST_OF_COMPARED = 0.6

executed = 0


def ours(jobs: int, seconds: float) -> float:
    """Ticks per second of a serving runner."""

    async def measure() -> float:
        poller = Noop()
        with tempfile.TemporaryDirectory(dir=".") as folder:
            runner = runner_of(jobs, INTERVAL, poller, folder, PrometheusMetrics())
            async with trio.open_nursery() as nursery:
                await nursery.start(runner.serve)
                await trio.sleep(WARM_UP)
                before, began = poller.ticks, time.perf_counter()
                await trio.sleep(seconds)
                rate = (poller.ticks - before) / (time.perf_counter() - began)
                await runner.shutdown()
        return rate

    return trio.run(measure)


def raw(seconds: float) -> float:
    """Ticks per second of the same statements with nothing around them."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        db = apsw.Connection(str(Path(folder, "raw.db")))
        db.pragma("journal_mode", "WAL")
        db.pragma("synchronous", "FULL")
        schema.migrate(db)
        jobs = [f"job-{n}" for n in range(BATCH)]
        transact(db, jobs, lambda job: db.execute(leases.ADD_LEASE, (job,)))
        transact(db, jobs, lambda job: db.execute(leases.ADD_STATE, (job, "every 1 ms", 0)))
        rounds, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            rounds += 1
            transact(db, jobs, lambda job: raw_claim(db, job))
            transact(db, jobs, lambda job, fence=rounds: raw_commit(db, job, fence))  # type: ignore[misc]
        rate = rounds * BATCH / (time.perf_counter() - began)
        db.close()
    return rate


def transact(db: apsw.Connection, jobs: list[str], each: Callable[[str], object]) -> None:
    """One transaction for all jobs."""
    db.execute("BEGIN IMMEDIATE")
    for job in jobs:
        each(job)
    db.execute("COMMIT")


def raw_claim(db: apsw.Connection, job: str) -> None:
    """The statements of a claim."""
    db.execute(leases.READ_JOB, (job,)).fetchone()
    db.execute(leases.HAS_PENDING, (job, job, 999)).fetchone()
    db.execute(leases.TAKE, (job, "holder", "claim", 0, 2**50)).fetchone()


def raw_commit(db: apsw.Connection, job: str, fence: int) -> None:
    """The statements of a commit."""
    now = 1_770_000_000_000 + fence
    state = (now, now, now, 0, None, None, 0, None, 0, None, now, now, "ok", None, fence, 0, fence)
    db.execute(leases.COMMIT_LEASE, (job, "holder", fence, now))
    db.execute(leases.SAVE_STATE, (*state, job))
    db.execute(leases.ADD_TICK, (job, fence, fence, now, now, 0, "ok", None, 0, 0, 0))
    db.execute(leases.TRIM_HISTORY, (job, fence - 100))


def count_execution() -> None:
    """What APScheduler runs."""
    global executed  # noqa: PLW0603 - its job store saves a function by name
    executed += 1


def apscheduler(jobs: int, seconds: float) -> float:
    """Executions per second of APScheduler 3 on SQLite, otherwise with its defaults."""
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        store = SQLAlchemyJobStore(url=f"sqlite:///{Path(folder, 'jobs.sqlite')}")
        scheduler = BackgroundScheduler(jobstores={"default": store})
        scheduler.start(paused=True)
        for n in range(jobs):
            seconds_between = INTERVAL.total_seconds()
            scheduler.add_job("benchmarks.ticks:count_execution", "interval", seconds=seconds_between, id=f"job-{n}")
        scheduler.resume()
        counter = sys.modules["benchmarks.ticks"]
        time.sleep(WARM_UP)
        before, began = counter.executed, time.perf_counter()
        time.sleep(seconds)
        rate: float = (counter.executed - before) / (time.perf_counter() - began)
        scheduler.shutdown()
    return rate


def measure(seconds: float) -> dict[str, Any]:
    """All figures of one run."""
    rates = {jobs: ours(jobs, seconds) for jobs in JOBS}
    limit, other = raw(seconds), apscheduler(COMPARED, seconds)
    return {
        "machine": machine.describe(),
        "ticks_per_second": {str(jobs): round(rate) for jobs, rate in rates.items()},
        "raw_sqlite_limit": round(limit),
        "apscheduler_3": round(other),
        "times_apscheduler": round(rates[COMPARED] / other, 1),
        "of_raw_limit": round(rates[COMPARED] / limit, 3),
        "ten_thousand_jobs_of_one_thousand": round(rates[10_000] / rates[COMPARED], 2),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--seconds", default=10.0, show_default=True, help="How long each rate is measured, after warm-up.")
def main(as_json: bool, seconds: float) -> None:
    """Measure durable ticks per second; exit 1 if a target is missed."""
    figures = measure(seconds)
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        print("machine: " + ", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
        for jobs, rate in figures["ticks_per_second"].items():
            print(f"{jobs:>6} jobs  {rate:>8,} ticks/s")
        print(f"raw SQLite   {figures['raw_sqlite_limit']:>8,} ticks/s   {figures['of_raw_limit']:.3f} of it reached")
        print(f"APScheduler  {figures['apscheduler_3']:>8,} ticks/s   {figures['times_apscheduler']:.1f} times as many")
        print(f"10,000 jobs run at {figures['ten_thousand_jobs_of_one_thousand']:.2f} of the rate of 1,000")
    reached = (
        figures["times_apscheduler"] >= AT_LEAST_APSCHEDULER,
        figures["of_raw_limit"] >= AT_LEAST_RAW,
        figures["ten_thousand_jobs_of_one_thousand"] >= AT_LEAST_OF_COMPARED,
    )
    sys.exit(0 if all(reached) else 1)


if __name__ == "__main__":
    sys.modules.setdefault("benchmarks.ticks", sys.modules["__main__"])
    main()
