"""What a reload would do: two configurations in, a plan out."""

from collections.abc import Iterable

from attrs import evolve, frozen

from nexo_poller.config.model import JobSpec


@frozen(kw_only=True)
class ReloadPlan:
    """Ids of jobs, each list sorted. Every job of either configuration is in exactly one of them."""

    add: tuple[str, ...]
    replace: tuple[str, ...]
    remove: tuple[str, ...]
    keep: tuple[str, ...]


def plan(running: Iterable[JobSpec], wanted: Iterable[JobSpec]) -> ReloadPlan:
    """How to get from the `running` jobs to the `wanted` ones; ids are unique within each.

    A job is replaced when anything but its `extra` differs (R4); its place in the file does not matter.
    """
    old, new = ({job.id: evolve(job, extra={}) for job in jobs} for jobs in (running, wanted))
    both = old.keys() & new.keys()
    return ReloadPlan(
        add=tuple(sorted(new.keys() - both)),
        replace=tuple(sorted(job_id for job_id in both if old[job_id] != new[job_id])),
        remove=tuple(sorted(old.keys() - both)),
        keep=tuple(sorted(job_id for job_id in both if old[job_id] == new[job_id])),
    )
