"""`Metrics` for Prometheus, counted in plain numbers and rendered on demand.

The counters are ours, so that a tick costs a few additions and `prometheus_client` is imported only by whoever asks for
`PrometheusMetrics`. A custom collector also has no `_created` series to leave out. A registry may collect in any
thread: what is collected is in memory, and a scrape never waits for the store or the event loop.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nexo_poller.breaker import Breaker
from nexo_poller.config.model import JobSpec
from nexo_poller.runner.custom_counters import CustomCounters, label_value
from nexo_poller.runner.histogram import Histogram
from nexo_poller.runner.job_series import JobSeries, job_families
from nexo_poller.runner.token_counters import TokenCounters
from nexo_poller.state import Status
from nexo_poller.store import Batch, StoreStatistics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

LATENESS_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)
BATCH_BUCKETS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
COMMIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class PrometheusMetrics:
    """`Metrics` that a Prometheus registry can collect: the given one, or a new one of its own (`registry`)."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        from prometheus_client import CollectorRegistry

        self.registry = registry or CollectorRegistry()
        self._jobs: dict[str, JobSeries] = {}
        self._lateness: dict[str, Histogram] = {}
        self._batch_size = Histogram(BATCH_BUCKETS)
        self._batch_duration = Histogram(COMMIT_BUCKETS)
        self._stored: tuple[StoreStatistics, datetime] | None = None
        self._tokens = TokenCounters()
        self._custom = CustomCounters()
        self.registry.register(self)

    def tick(self, job: JobSpec, status: Status, latency_ms: float, seen: int, dispatched: int) -> None:
        """See `Metrics`."""
        series = self._series(job)
        series.ticks[status] = series.ticks.get(status, 0) + 1
        series.latency_ms.observe(latency_ms)
        series.seen += seen
        series.dispatched += dispatched

    def skipped(self, job: JobSpec) -> None:
        """See `Metrics`."""
        ticks = self._series(job).ticks
        ticks["skipped"] = ticks.get("skipped", 0) + 1

    def late(self, job: JobSpec, by: timedelta) -> None:
        """See `Metrics`. Summed up by kind: ten thousand jobs would be ten thousand histograms."""
        self._lateness.setdefault(label_value(job.kind), Histogram(LATENESS_BUCKETS)).observe(by.total_seconds())

    def health(self, job: JobSpec, consecutive_errors: int, breaker: Breaker, last_success_at: datetime | None) -> None:
        """See `Metrics`."""
        series = self._series(job)
        series.errors, series.breaker, series.last_success_at = consecutive_errors, breaker, last_success_at
        series.stale_after = job.stale_after

    def takeover(self, job: JobSpec) -> None:
        """See `Metrics`."""
        self._series(job).takeovers += 1

    def batch(self, batch: Batch) -> None:
        """See `Metrics`."""
        self._batch_size.observe(batch.calls)
        self._batch_duration.observe(batch.duration.total_seconds())

    def stored(self, statistics: StoreStatistics, now: datetime) -> None:
        """See `Metrics`."""
        self._stored = (statistics, now)

    def custom(self, name: str, labels: Mapping[str, str]) -> None:
        """See `Metrics`. Raises `ValueError`; label values are cut and made printable."""
        self._custom.add(name, labels)

    def tokens(self, provider: str, model: str, usage: Mapping[str, int]) -> None:
        """See `Metrics`."""
        self._tokens.add(provider, model, usage)

    def forget(self, job_id: str) -> None:
        """See `Metrics`."""
        self._jobs.pop(job_id, None)

    def describe(self) -> Iterable[Any]:
        """Nothing is known before it is counted; lets a registry take us without collecting."""
        return ()

    def collect(self) -> Iterator[Any]:
        """The metric families, for the registry."""
        yield from job_families(list(self._jobs.items()))
        yield from self._runner_families()
        yield from self._store_families()
        yield self._tokens.family()
        yield from self._custom.families()

    def _series(self, job: JobSpec) -> JobSeries:
        kind, agent = label_value(job.kind), label_value(job.agent)
        series = self._jobs.get(job.id)
        if series is None or (series.kind, series.agent) != (kind, agent):  # other labels are other series
            series = self._jobs[job.id] = JobSeries(kind, agent)
        return series

    def _runner_families(self) -> Iterator[Any]:
        from prometheus_client.core import HistogramMetricFamily

        lateness = HistogramMetricFamily(
            "poller_tick_lateness_seconds", "From when a tick was due to its start.", labels=["kind"]
        )
        for kind, histogram in list(self._lateness.items()):
            histogram.add_to(lateness, [kind])
        batch_size = HistogramMetricFamily(
            "poller_commit_batch_size", "Writes to the store that shared a transaction.", labels=[]
        )
        self._batch_size.add_to(batch_size, [])
        batch_duration = HistogramMetricFamily(
            "poller_commit_duration_seconds", "Duration of a transaction, as those who wait for it see it.", labels=[]
        )
        self._batch_duration.add_to(batch_duration, [])
        yield from (lateness, batch_size, batch_duration)

    def _store_families(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        pending = GaugeMetricFamily("poller_outbox_pending", "Messages that wait for their channel.", labels=[])
        age = GaugeMetricFamily(
            "poller_outbox_oldest_age_seconds", "Age of the oldest message in the outbox; 0 if it is empty.", labels=[]
        )
        dead = GaugeMetricFamily("poller_dead_letters", "Messages that were refused too often.", labels=[])
        jobs = GaugeMetricFamily("poller_jobs", "Configured jobs by state.", labels=["state"])
        if self._stored is not None:
            statistics, now = self._stored
            oldest = now if statistics.oldest_pending_at is None else min(statistics.oldest_pending_at, now)
            pending.add_metric([], statistics.pending)
            age.add_metric([], (now - oldest).total_seconds())
            dead.add_metric([], statistics.dead_letters)
            for state, count in statistics.jobs.items():
                jobs.add_metric([state], count)
        yield from (pending, age, dead, jobs)
