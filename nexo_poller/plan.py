"""What a reload would do: two configurations in, a plan out."""

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

from nexo_poller.config.model import Config, JobSpec

ProviderOf = Callable[[JobSpec], str | None]


@frozen(kw_only=True)
class ReloadPlan:
    """Ids of jobs, each list sorted. Every job of either configuration is in exactly one of them."""

    add: tuple[str, ...]
    replace: tuple[str, ...]
    remove: tuple[str, ...]
    keep: tuple[str, ...]


def no_provider(job: JobSpec) -> None:
    """The provider of every job where there are none."""


def plan(running: Config, wanted: Config, provider_of: ProviderOf = no_provider) -> ReloadPlan:
    """How to get from the `running` jobs to the `wanted` ones; ids are unique within each.

    A job is replaced when anything that it runs by differs, but for its `extra` (R4): its own entry, the accounts of its
    agent, the provider of language models that it asks (which `provider_of` knows), the plugin that owns its kind, or a
    setting that it has no value of its own for. Its place in the file does not matter.
    """
    old, new = ({job.id: job for job in config.jobs} for config in (running, wanted))
    owners_then, owners_now = ({kind: owner for owner in c.plugins for kind in owner.kinds} for c in (running, wanted))
    both = old.keys() & new.keys()
    kept = {
        job_id
        for job_id in both
        if _is_same(old[job_id], new[job_id])
        and owners_then.get(old[job_id].kind) == owners_now.get(new[job_id].kind)
        and _around(old[job_id], running, provider_of) == _around(new[job_id], wanted, provider_of)
    }
    return ReloadPlan(
        add=tuple(sorted(new.keys() - both)),
        replace=tuple(sorted(both - kept)),
        remove=tuple(sorted(old.keys() - both)),
        keep=tuple(sorted(kept)),
    )


def _is_same(old: JobSpec, new: JobSpec) -> bool:
    """Whether the entries differ in nothing but their `extra`. Of ten thousand jobs nearly all are equal: that is first."""
    return old == new or evolve(old, extra={}) == evolve(new, extra={})


def _around(job: JobSpec, config: Config, provider_of: ProviderOf) -> tuple[Any, ...]:
    """What the job runs by beside its own entry."""
    settings = config.settings
    return (
        settings.default_jitter if job.schedule.jitter is None else None,
        settings.tick_timeout if job.tick_timeout is None else None,
        settings.lease_ttl_factor,
        settings.failure_alert_cooldown,
        settings.breaker_threshold,
        settings.history_per_job,
        settings.max_pending_per_job,
        None if config.agents is None else config.agents.get(job.agent, {}),
        [account for account in config.google_accounts if account.agent_id == job.agent],
        None if (provider := provider_of(job)) is None else config.providers.get(provider),
    )
