"""A host that remembers what a poller did with it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

from attrs import Factory, define, frozen

from nexo_poller.config.model import JobSpec
from nexo_poller.credentials import Credentials
from nexo_poller.host import InProcessHost
from nexo_poller.masking import Mask
from nexo_poller.poller import LlmProvider, LogLevel


@frozen
class Logged:
    """A record that a poller logged."""

    level: LogLevel
    message: str
    fields: Mapping[str, Any] = Factory(dict)


@define(eq=False, kw_only=True)
class RecordingHost(InProcessHost):
    """The host that a runner gives to a tick, with what was logged and counted.

    `metrics` counts by name, or by `name{label="value"}` where there are labels.
    """

    logs: list[Logged] = Factory(list)
    metrics: Counter[str] = Factory(Counter)

    @classmethod
    def of(cls, job: JobSpec, credentials: Credentials, llm: LlmProvider) -> Self:
        """A host for one tick of `job`."""
        metrics: Counter[str] = Counter()

        def count(name: str, labels: Mapping[str, str]) -> None:
            metrics[series(name, labels)] += 1

        return cls(job=job, credentials=credentials, llm=llm, count=count, mask=Mask(()), metrics=metrics)

    async def log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        """See `PollerHost`."""
        self.logs.append(Logged(level, message, fields or {}))
        await super().log(level, message, fields)


def series(name: str, labels: Mapping[str, str]) -> str:
    """A counter as Prometheus writes it: `polls`, or `polls{project="NEXO"}`, the labels in order."""
    told = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{told}}}" if told else name
