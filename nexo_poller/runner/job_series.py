"""The series of jobs. The first seven families are those of the Rust original, and stay exactly as they are there."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import Factory, define

from nexo_poller.breaker import Breaker
from nexo_poller.runner.histogram import Histogram
from nexo_poller.state import Status

LATENCY_BUCKETS_MS: Final = (50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)


@define(eq=False)
class JobSeries:
    """What was counted of one job."""

    kind: str
    agent: str
    ticks: dict[Status, int] = Factory(dict)
    latency_ms: Histogram = Factory(lambda: Histogram(LATENCY_BUCKETS_MS))
    seen: int = 0
    dispatched: int = 0
    errors: int = 0
    breaker: Breaker = Breaker.CLOSED
    takeovers: int = 0
    last_success_at: datetime | None = None
    stale_after: timedelta | None = None


def job_families(jobs: Iterable[tuple[str, JobSeries]]) -> Iterator[Any]:
    """The Prometheus families of `jobs`, pairs of id and series."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    by_job = ["kind", "agent", "job_id"]
    ticks = CounterMetricFamily("poller_ticks", "Ticks by outcome.", labels=[*by_job, "status"])
    latency = HistogramMetricFamily("poller_latency_ms", "Duration of a tick.", labels=by_job)
    seen = CounterMetricFamily("poller_items_seen", "Items that ticks looked at.", labels=by_job)
    dispatched = CounterMetricFamily("poller_items_dispatched", "Items that became messages.", labels=by_job)
    errors = GaugeMetricFamily("poller_consecutive_errors", "Errors in a row.", labels=["job_id"])
    breaker = GaugeMetricFamily("poller_breaker_state", "0 closed, 1 half-open, 2 open.", labels=["job_id"])
    takeovers = CounterMetricFamily(
        "poller_lease_takeovers", "Leases taken from holders that did not give them back.", labels=["job_id"]
    )
    last_success = GaugeMetricFamily(
        "poller_last_success_timestamp_seconds",
        "When the job's latest successful tick ended; no series before the first.",
        labels=["job_id"],
    )
    stale_after = GaugeMetricFamily(
        "poller_stale_after_seconds", "How long the job may go without a success; only if it says.", labels=["job_id"]
    )
    for job_id, series in jobs:
        job = [series.kind, series.agent, job_id]
        for status, count in list(series.ticks.items()):
            ticks.add_metric([*job, status], count)
        series.latency_ms.add_to(latency, job)
        seen.add_metric(job, series.seen)
        dispatched.add_metric(job, series.dispatched)
        errors.add_metric([job_id], series.errors)
        breaker.add_metric([job_id], series.breaker.value)
        takeovers.add_metric([job_id], series.takeovers)
        if series.last_success_at is not None:
            last_success.add_metric([job_id], series.last_success_at.timestamp())
        if series.stale_after is not None:
            stale_after.add_metric([job_id], series.stale_after.total_seconds())
    yield from (ticks, latency, seen, dispatched, errors, breaker, takeovers, last_success, stale_after)
