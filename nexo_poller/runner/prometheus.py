"""`Metrics` for Prometheus, counted in plain numbers and rendered on demand.

The counters are ours, so that a tick costs a few additions and `prometheus_client` is imported only by whoever asks for
`PrometheusMetrics`. A custom collector also has no `_created` series to leave out.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import Factory, define

from nexo_poller.breaker import Breaker
from nexo_poller.config.model import JobSpec
from nexo_poller.runner.custom_counters import CustomCounters, label_value
from nexo_poller.state import Status

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

LATENCY_BUCKETS_MS: Final = (50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)


@define(eq=False)
class _JobSeries:
    kind: str
    agent: str
    ticks: dict[Status, int] = Factory(dict)
    buckets: list[int] = Factory(lambda: [0] * (len(LATENCY_BUCKETS_MS) + 1))
    latency_sum: float = 0.0
    seen: int = 0
    dispatched: int = 0
    errors: int = 0
    breaker: Breaker = Breaker.CLOSED
    takeovers: int = 0


class PrometheusMetrics:
    """`Metrics` that a Prometheus registry can collect: the given one, or a new one of its own (`registry`)."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        from prometheus_client import CollectorRegistry

        self.registry = registry or CollectorRegistry()
        self._jobs: dict[str, _JobSeries] = {}
        self._custom = CustomCounters()
        self.registry.register(self)

    def tick(self, job: JobSpec, status: Status, latency_ms: float, seen: int, dispatched: int) -> None:
        """See `Metrics`."""
        series = self._series(job)
        series.ticks[status] = series.ticks.get(status, 0) + 1
        series.buckets[bisect_left(LATENCY_BUCKETS_MS, latency_ms)] += 1
        series.latency_sum += latency_ms
        series.seen += seen
        series.dispatched += dispatched

    def skipped(self, job: JobSpec) -> None:
        """See `Metrics`."""
        ticks = self._series(job).ticks
        ticks["skipped"] = ticks.get("skipped", 0) + 1

    def health(self, job: JobSpec, consecutive_errors: int, breaker: Breaker) -> None:
        """See `Metrics`."""
        series = self._series(job)
        series.errors, series.breaker = consecutive_errors, breaker

    def takeover(self, job: JobSpec) -> None:
        """See `Metrics`."""
        self._series(job).takeovers += 1

    def custom(self, name: str, labels: Mapping[str, str]) -> None:
        """See `Metrics`. Raises `ValueError`; label values are cut and made printable."""
        self._custom.add(name, labels)

    def forget(self, job_id: str) -> None:
        """See `Metrics`."""
        self._jobs.pop(job_id, None)

    def describe(self) -> Iterable[Any]:
        """Nothing is known before it is counted; lets a registry take us without collecting."""
        return ()

    def collect(self) -> Iterator[Any]:
        """The metric families, for the registry."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        by_job = ["kind", "agent", "job_id"]
        ticks = CounterMetricFamily("poller_ticks", "Ticks by outcome.", labels=[*by_job, "status"])
        latency = HistogramMetricFamily("poller_latency_ms", "Duration of a tick.", labels=by_job)
        seen = CounterMetricFamily("poller_items_seen", "Items that ticks looked at.", labels=by_job)
        dispatched = CounterMetricFamily("poller_items_dispatched", "Items that became messages.", labels=by_job)
        errors = GaugeMetricFamily("poller_consecutive_errors", "Transient errors in a row.", labels=["job_id"])
        breaker = GaugeMetricFamily("poller_breaker_state", "0 closed, 1 half-open, 2 open.", labels=["job_id"])
        takeovers = CounterMetricFamily(
            "poller_lease_takeovers", "Leases taken from holders that did not give them back.", labels=["job_id"]
        )
        for job_id, series in list(self._jobs.items()):
            job = [series.kind, series.agent, job_id]
            for status, count in list(series.ticks.items()):
                ticks.add_metric([*job, status], count)
            latency.add_metric(job, _cumulated(series.buckets), series.latency_sum)
            seen.add_metric(job, series.seen)
            dispatched.add_metric(job, series.dispatched)
            errors.add_metric([job_id], series.errors)
            breaker.add_metric([job_id], series.breaker.value)
            takeovers.add_metric([job_id], series.takeovers)
        yield from (ticks, latency, seen, dispatched, errors, breaker, takeovers)
        yield from self._custom.families()

    def _series(self, job: JobSpec) -> _JobSeries:
        kind, agent = label_value(job.kind), label_value(job.agent)
        series = self._jobs.get(job.id)
        if series is None or (series.kind, series.agent) != (kind, agent):  # other labels are other series
            series = self._jobs[job.id] = _JobSeries(kind, agent)
        return series


def _cumulated(buckets: list[int]) -> list[tuple[str, float]]:
    bounds = [*map(str, LATENCY_BUCKETS_MS), "+Inf"]
    total = 0
    cumulated: list[tuple[str, float]] = []
    for bound, count in zip(bounds, buckets, strict=True):
        total += count
        cumulated.append((bound, total))
    return cumulated
