"""What the runner counts, for whoever wants to know."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from nexo_poller.breaker import Breaker
from nexo_poller.config.model import JobSpec
from nexo_poller.state import Status
from nexo_poller.store import Batch, StoreStatistics


class Metrics(Protocol):
    """What the runner counts. No method may block; one that raises is logged, and fails nothing."""

    def tick(self, job: JobSpec, status: Status, latency_ms: float, seen: int, dispatched: int) -> None:
        """A tick has ended."""

    def skipped(self, job: JobSpec) -> None:
        """A slot was given up without a tick."""

    def late(self, job: JobSpec, by: timedelta) -> None:
        """A tick begins, so long after it was due."""

    def health(self, job: JobSpec, consecutive_errors: int, breaker: Breaker, last_success_at: datetime | None) -> None:
        """How the job stands now. `last_success_at`: None before the first success."""

    def takeover(self, job: JobSpec) -> None:
        """A lease was taken over from a holder that did not give it back."""

    def batch(self, batch: Batch) -> None:
        """The store has carried out a batch of writes."""

    def stored(self, statistics: StoreStatistics, now: datetime) -> None:
        """How much was in the store at `now`."""

    def custom(self, name: str, labels: Mapping[str, str]) -> None:
        """A poller counted something of its own. May raise `ValueError` for a name or labels that cannot be counted."""

    def tokens(self, provider: str, model: str, usage: Mapping[str, int]) -> None:
        """A language model has answered, at the cost of `usage`: `input_tokens`, `output_tokens`."""

    def forget(self, job_id: str) -> None:
        """The job is gone; so are its series."""


class NoMetrics:
    """Counts nothing."""

    def tick(self, job: JobSpec, status: Status, latency_ms: float, seen: int, dispatched: int) -> None:
        """Nothing."""

    def skipped(self, job: JobSpec) -> None:
        """Nothing."""

    def late(self, job: JobSpec, by: timedelta) -> None:
        """Nothing."""

    def health(self, job: JobSpec, consecutive_errors: int, breaker: Breaker, last_success_at: datetime | None) -> None:
        """Nothing."""

    def takeover(self, job: JobSpec) -> None:
        """Nothing."""

    def batch(self, batch: Batch) -> None:
        """Nothing."""

    def stored(self, statistics: StoreStatistics, now: datetime) -> None:
        """Nothing."""

    def custom(self, name: str, labels: Mapping[str, str]) -> None:
        """Nothing."""

    def tokens(self, provider: str, model: str, usage: Mapping[str, int]) -> None:
        """Nothing."""

    def forget(self, job_id: str) -> None:
        """Nothing."""
