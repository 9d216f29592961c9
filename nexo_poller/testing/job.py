"""The job of a test."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import httpx
from attrs import frozen

from nexo_poller.config.job_config import structure_config
from nexo_poller.config.model import JobSpec
from nexo_poller.poller import Poller, checked_poller
from nexo_poller.schedule import Every
from nexo_poller.testing.surroundings import Surroundings

INTERVAL: Final = timedelta(minutes=5)


@frozen(kw_only=True)
class Job:
    """A poller with its config: `typed` is what its ticks get, `http` the client that they share.

    `spec` is the entry of `pollers.yaml` that it would be; its id is its kind.
    """

    poller: Poller[Any]
    spec: JobSpec
    typed: Any
    surroundings: Surroundings
    http: httpx.AsyncClient
    is_dry_run: bool = False

    @classmethod
    def bound(cls, poller: Poller[Any], config: Mapping[str, Any], agent: str, surroundings: Surroundings) -> "Job":
        """The job, as a runner would bind it.

        Raises `ConfigError` with every problem of `config`, `TypeError` for what is no poller.
        """
        typed = structure_config(config, checked_poller(poller))
        return cls(
            poller=poller,
            spec=JobSpec(id=poller.kind, kind=poller.kind, agent=agent, schedule=Every(INTERVAL), config=config),
            typed=typed,
            surroundings=surroundings,
            http=surroundings.http.client_for(typed),
        )
