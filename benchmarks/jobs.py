"""Runners full of jobs that do nothing."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, frozen

from nexo_poller import Config, Every, JobSpec, PollContext, Poller, PollerRunner, Settings, TickAck
from nexo_poller.runner.metrics import Metrics


@frozen
class NoConfig:
    """Nothing to configure."""


@define(eq=False)
class Noop(Poller[NoConfig]):
    """Counts its ticks and does nothing else."""

    kind = "noop"
    config_type = NoConfig

    ticks: int = 0

    async def tick(self, ctx: PollContext[Any]) -> TickAck:  # noqa: ARG002 - nothing to look at
        """Nothing."""
        self.ticks += 1
        return TickAck()


def runner_of(  # noqa: PLR0913, PLR0917 - what differs between benchmarks
    jobs: int,
    interval: timedelta,
    poller: Noop,
    folder: str,
    metrics: Metrics | None,
    jitter: timedelta = timedelta(),
) -> PollerRunner:
    """A runner for so many no-op jobs, on a new database in `folder`."""
    schedule = Every(interval, jitter=jitter)
    specs = tuple(JobSpec(id=f"job-{n}", kind="noop", agent="bench", schedule=schedule) for n in range(jobs))
    settings = Settings(state_db=Path(folder, "poller.db"))
    return PollerRunner(Config(jobs=specs, settings=settings), metrics=metrics).register(poller)
