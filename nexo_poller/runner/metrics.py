"""What the runner counts, for whoever wants to know."""

from collections.abc import Mapping
from typing import Protocol

from nexo_poller.breaker import Breaker
from nexo_poller.config.model import JobSpec
from nexo_poller.state import Status


class Metrics(Protocol):
    """What the runner counts. No method may block; one that raises is logged, and fails nothing."""

    def tick(self, job: JobSpec, status: Status, latency_ms: float, seen: int, dispatched: int) -> None:
        """A tick has ended."""

    def skipped(self, job: JobSpec) -> None:
        """A slot was given up without a tick."""

    def health(self, job: JobSpec, consecutive_errors: int, breaker: Breaker) -> None:
        """How the job stands now."""

    def takeover(self, job: JobSpec) -> None:
        """A lease was taken over from a holder that did not give it back."""

    def custom(self, name: str, labels: Mapping[str, str]) -> None:
        """A poller counted something of its own. May raise `ValueError` for a name or labels that cannot be counted."""

    def forget(self, job_id: str) -> None:
        """The job is gone; so are its series."""


class NoMetrics:
    """Counts nothing."""

    def tick(self, job: JobSpec, status: Status, latency_ms: float, seen: int, dispatched: int) -> None:
        """Nothing."""

    def skipped(self, job: JobSpec) -> None:
        """Nothing."""

    def health(self, job: JobSpec, consecutive_errors: int, breaker: Breaker) -> None:
        """Nothing."""

    def takeover(self, job: JobSpec) -> None:
        """Nothing."""

    def custom(self, name: str, labels: Mapping[str, str]) -> None:
        """Nothing."""

    def forget(self, job_id: str) -> None:
        """Nothing."""
