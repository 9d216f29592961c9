"""The entries of `jobs:`, each on its own: what one of them gets wrong leaves its siblings alone (R3)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from attrs import evolve, frozen

from nexo_poller.config.model import JobSpec
from nexo_poller.config.names import is_job_id
from nexo_poller.config.problems import Key, Where, merged, rebased
from nexo_poller.config.sections import JobEntry
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, Problem

JOBS: Final[Key] = ("pollers", "jobs")


@frozen(kw_only=True)
class ReadEntry:
    """What came of one entry. `id` is None unless it is valid and nobody else's. With problems there is no `spec`."""

    key: Key
    entry: Any
    id: str | None
    spec: JobSpec | None = None
    problems: tuple[Problem, ...] = ()

    def text(self, key: str) -> str:
        """A text of the entry, or "" where there is none."""
        value = self.entry.get(key) if isinstance(self.entry, Mapping) else None
        return value if isinstance(value, str) else ""


def job_entries(value: Any) -> list[Any]:
    """The entries of `jobs:` in the value of a file, whatever else may be wrong with it."""
    for step in JOBS:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


def read_jobs(entries: Sequence[Any], found: Iterable[Problem]) -> list[ReadEntry]:
    """Every entry, in order. `found` are the problems of all of them that are known already."""
    known = by_job(found)
    return [read_job(entry, (*JOBS, index), known[*JOBS, index]) for index, entry in enumerate(entries)]


def by_job(found: Iterable[Problem]) -> defaultdict[Key, list[Problem]]:
    """The problems of each job, by its key."""
    known: defaultdict[Key, list[Problem]] = defaultdict(list)
    for problem in found:
        known[problem.key[: len(JOBS) + 1]].append(problem)
    return known


def read_job(entry: Any, key: Key, found: Sequence[Problem]) -> ReadEntry:
    """One entry, of which `found` are the problems that are known already."""
    identity = entry.get("id") if isinstance(entry, Mapping) else None
    read = ReadEntry(key=key, entry=entry, id=identity if is_job_id(identity) else None)
    try:
        spec = _spec(structure(entry, JobEntry), key)
    except ConfigError as error:
        return evolve(read, problems=tuple(merged(found, rebased(error.problems, key))))
    return evolve(read, problems=tuple(found)) if found else evolve(read, spec=spec)


def _spec(entry: JobEntry, key: Key) -> JobSpec:
    return JobSpec(
        id=entry.id,
        kind=entry.kind,
        agent=entry.agent,
        schedule=entry.schedule,
        config=entry.config or {},
        failure_to=entry.failure_to,
        paused_on_boot=entry.paused_on_boot,
        misfire=entry.misfire,
        tick_timeout=_seconds(entry.tick_timeout_secs),
        stale_after=_seconds(entry.stale_after_secs),
        extra=entry.extra or {},
        key=key,
    )


def _seconds(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)


def identified(entries: Sequence[ReadEntry], where: Where) -> list[ReadEntry]:
    """The entries; those that share an id have none, and all but the first of them have a problem."""
    uses = Counter(entry.id for entry in entries)
    first: dict[str, ReadEntry] = {}
    told = []
    for entry in entries:
        if entry.id is None or uses[entry.id] == 1:
            told.append(entry)
            continue
        problems = entry.problems
        taken = first.setdefault(entry.id, entry)
        if taken is not entry:
            what = f"the id '{entry.id}' belongs to the job at {where((*taken.key, 'id'))} already"
            problems += (Problem(what=what, remedy="give each job an id of its own", key=(*entry.key, "id")),)
        told.append(evolve(entry, id=None, spec=None, problems=problems))
    return told
