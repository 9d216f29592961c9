"""From a path to a configuration, and to everything that is wrong with it, in one go."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from nexo_poller.config.document import Document
from nexo_poller.config.files import find_file, read_document, read_section
from nexo_poller.config.interpolation import Interpolation
from nexo_poller.config.jobs import JOBS, ReadEntry, read_jobs
from nexo_poller.config.model import AdminSettings, Config, RejectedJob
from nexo_poller.config.problems import in_order, merged, placed
from nexo_poller.config.sections import AdminSection, File, PollersSection
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.masking import SHORTEST_SECRET, Mask
from nexo_poller.schedule import At

ADMIN: Final = "admin"


@frozen(kw_only=True)
class Reading:
    """What a file says. With `refusals` it must not be used; `config` then holds what could be read of it.

    `faulty` are the entries of `jobs:` that cannot run, for those who want to know what else is wrong with them.
    """

    config: Config
    refusals: tuple[Problem, ...] = ()
    faulty: tuple[ReadEntry, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong, in the order of the file: refusals, rejected jobs, warnings."""
        rejecting = (problem for job in self.config.rejected for problem in job.problems)
        return in_order((*self.refusals, *rejecting, *self.config.warnings))

    def accepted(self) -> Config:
        """The configuration. Raises `ConfigError`, with every problem, if there are refusals."""
        if self.refusals:
            raise ConfigError(*(problem for problem in self.problems if not problem.is_warning))
        return self.config


def load_config(path: Path, env: Mapping[str, str] = os.environ) -> Config | None:
    """The configuration in the file at `path`, or in `pollers.yaml` in the folder `path`; None if there is none (R2).

    Faults inside one well-identified job are in `Config.rejected`; for all others this raises `ConfigError` with every
    problem of the file. Blocks while it reads: a file of 10 MB can take half a minute, in a process of its own.
    """
    reading = read_config(path, env)
    return None if reading is None else reading.accepted()


def load_admin(path: Path, env: Mapping[str, str] = os.environ) -> AdminSettings | None:
    """The section `admin:` of such a file, whatever else is wrong there; None if there is no file.

    For those who only look for the daemon, and need not have what its jobs need: nothing outside the section is looked
    up in `env` or in files. Raises `ConfigError` if the section cannot be used, or the file is no YAML.
    """
    file = find_file(path)
    if file is None:
        return None
    document = read_section(file, ADMIN)
    if isinstance(document.value, Mapping):
        section = {key: value for key, value in document.value.items() if key == ADMIN}
        problems = tuple(problem for problem in document.problems if problem.key[:1] == (ADMIN,))
        document = evolve(document, value=section, problems=problems)
    return _resolved(document, env, file.parent).accepted().admin


def read_config(path: Path, env: Mapping[str, str] = os.environ, *, now: datetime | None = None) -> Reading | None:
    """Like `load_config`, but raises nothing. With `now`, an `at` that is past gives a warning."""
    file = find_file(path)
    if file is None:
        return None
    return _resolved(read_document(file), env, file.parent, now)


def _resolved(document: Document, env: Mapping[str, str], folder: Path, now: datetime | None = None) -> Reading:
    interpolation = Interpolation(env=env, folder=folder)
    value = interpolation.resolve({} if document.value is None else document.value)
    return _read(document, value, interpolation, now)


def _read(document: Document, value: Any, interpolation: Interpolation, now: datetime | None) -> Reading:
    secrets = frozenset(secret for secret in interpolation.secrets if len(secret) >= SHORTEST_SECRET)
    mask = Mask(secrets)
    found = merged(document.problems, interpolation.problems)
    sections, faults = _sections(value)
    admin = (sections.admin or AdminSection()).settings()
    refusals = merged((problem for problem in found if not _is_in_job(problem)), faults)
    entries = read_jobs(_job_entries(value), filter(_is_in_job, found), document.lines.where)

    def placed_in(entry: ReadEntry, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        return placed(problems, document.lines.where, mask, entry.text("id") or None)

    return Reading(
        config=Config(
            settings=(sections.pollers or PollersSection()).settings(),
            admin=admin,
            jobs=tuple(entry.spec for entry in entries if entry.spec),
            rejected=tuple(
                RejectedJob(
                    id=entry.id,
                    kind=entry.text("kind"),
                    agent=entry.text("agent"),
                    problems=in_order(placed_in(entry, entry.problems)),
                )
                for entry in entries
                if entry.id and not entry.spec
            ),
            agents=None
            if sections.agents is None
            else {agent.id: agent.credentials or {} for agent in sections.agents},
            channels=sections.channels or {},
            secrets=secrets if admin.token is None else secrets | {admin.token},
            warnings=tuple(problem for entry in entries for problem in placed_in(entry, _warnings(entry, now))),
            where=document.lines.where,
            fingerprint=document.fingerprint,
        ),
        refusals=(
            *placed(refusals, document.lines.where, mask),
            *(problem for entry in entries if not entry.id for problem in placed_in(entry, entry.problems)),
        ),
        faulty=tuple(entry for entry in entries if not entry.spec),
    )


def _is_in_job(problem: Problem) -> bool:
    return problem.key[: len(JOBS)] == JOBS and len(problem.key) > len(JOBS)


def _sections(value: Any) -> tuple[File, tuple[Problem, ...]]:
    """The sections, or those of them that are sound, for what else can be told by them; and all problems."""
    try:
        return structure(value, File), ()
    except ConfigError as error:
        faulty = {problem.key[:1] for problem in error.problems}
        sound = {key: section for key, section in value.items() if (key,) not in faulty} if () not in faulty else {}
        return structure(sound, File), error.problems


def _job_entries(value: Any) -> list[Any]:
    """The entries of `jobs:`, also of a file whose other sections are faulty."""
    for step in JOBS:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


def _warnings(entry: ReadEntry, now: datetime | None) -> Iterator[Problem]:
    if now is None or entry.spec is None:
        return
    if isinstance(entry.spec.schedule, At) and entry.spec.schedule.at <= now:
        remedy = "if the job never ran, it runs once, at once" if entry.spec.misfire == "run" else "it will not run"
        yield Problem(what="'at' is past", remedy=remedy, key=(*entry.key, "schedule", "at"), is_warning=True)
