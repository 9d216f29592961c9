"""From a path to a configuration, and to everything that is wrong with it, in one go."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from attrs import Factory, evolve, frozen

from nexo_poller.config.accounts import google_ids
from nexo_poller.config.files import read_section
from nexo_poller.config.folder import agent_files, find_file, joint, old_gmail, other_files
from nexo_poller.config.jobs import JOBS, ReadEntry, identified, job_entries, read_jobs
from nexo_poller.config.manifests import Plugins, plugin_key, read_plugins
from nexo_poller.config.model import GOOGLE, AdminSettings, BrokerSettings, Config, RejectedJob
from nexo_poller.config.old_jobs import WithOldJobs, with_old_jobs
from nexo_poller.config.problems import in_order, merged, placed
from nexo_poller.config.sections import AdminSection, Beside, BrokerSection, File, PluginsSection, PollersSection
from nexo_poller.config.source import Source, read_agents, read_main, read_source, resolved
from nexo_poller.config.structuring import structure
from nexo_poller.config.together import Part, Places, Together, together
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.masking import SHORTEST_SECRET, Mask
from nexo_poller.schedule import At

S = TypeVar("S", File, Beside)
ADMIN: Final = "admin"
API_KEY: Final = ("providers", "api_key")  # with a name in between


@frozen(kw_only=True)
class Reading:
    """What a file, or a folder, says. With `refusals` it must not be used; `config` then holds what could be read of it.

    `faulty` are the entries of `jobs:` that cannot run, for those who want to know what else is wrong with them.
    `owners` has the id of the plugin that owns a kind, also if its manifest is faulty.
    """

    config: Config
    refusals: tuple[Problem, ...] = ()
    faulty: tuple[ReadEntry, ...] = ()
    owners: Mapping[str, str] = Factory(dict)

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


def load_config(path: str | Path, env: Mapping[str, str] = os.environ) -> Config | None:
    """The configuration in the file at `path`, or in `pollers.yaml` in the folder `path`; None if there is none (R2).

    What stands beside a `pollers.yaml` belongs to it, see `folder`; a file of another name stands alone.

    Faults inside one well-identified job are in `Config.rejected`; for all others this raises `ConfigError` with every
    problem of the file. Blocks while it reads: a file of 10 MB can take half a minute, in a process of its own.
    """
    reading = read_config(Path(path), env)
    return None if reading is None else reading.accepted()


def load_admin(path: Path, env: Mapping[str, str] = os.environ) -> AdminSettings | None:
    """The section `admin:` of such a file, whatever else is wrong there; None if there is no file.

    For those who only look for the daemon, and need not have what its jobs need: nothing outside the section is looked
    up in `env` or in files. Raises `ConfigError` if the section cannot be used, or the file is no YAML.
    """
    file = find_file(path)
    if file is None or (path.is_dir() and not file.exists()):  # nothing but an old file of Gmail jobs
        return None
    document = read_section(file, ADMIN)
    if isinstance(document.value, Mapping):
        section = {key: value for key, value in document.value.items() if key == ADMIN}
        problems = tuple(problem for problem in document.problems if problem.key[:1] == (ADMIN,))
        document = evolve(document, value=section, problems=problems)
    return _read(_part(resolved(document, file, env), File), [], None, Plugins(), None).accepted().admin


def read_config(path: Path, env: Mapping[str, str] = os.environ, *, now: datetime | None = None) -> Reading | None:
    """Like `load_config`, but raises nothing. With `now`, an `at` that is past gives a warning."""
    file = find_file(path)
    if file is None:
        return None
    main = _part(read_main(file, env), File)
    beside = [
        *(_part(read_agents(other, env), Beside) for other in agent_files(file)),
        *(_part(read_source(other, env), Beside) for other in other_files(file)),
    ]
    old = old_gmail(file)
    return _read(main, beside, read_source(old, env) if old else None, _plugins(main, env), now)


def _plugins(main: Part[File], env: Mapping[str, str]) -> Plugins:
    if any(problem.key[:1] in ((), ("plugins",)) for problem in main.faults):  # nobody knows where to look
        return Plugins()
    section = main.sections.plugins or PluginsSection()
    return read_plugins(main.source.folder, section.search_paths, env)


def _read(
    main: Part[File], beside: Sequence[Part[Beside]], old: Source | None, plugins: Plugins, now: datetime | None
) -> Reading:
    places = Places(main.source.lines)
    places.routes |= {plugin_key(plugin_id): (lines, ()) for plugin_id, lines in plugins.lines.items()}
    broker = (main.sections.broker or BrokerSection()).settings(main.source.folder)
    shared = together([main, *beside], places)
    found = main.source.problems
    entries = read_jobs(job_entries(main.source.value), filter(_is_in_job, found))
    moved = WithOldJobs(together=shared)
    if old is not None:
        moved = with_old_jobs(old, shared, {entry.id for entry in entries if entry.id}, places)
        shared = moved.together
    entries = identified([*entries, *moved.entries], places)
    admin = (main.sections.admin or AdminSection()).settings()
    sources = [main.source, *(part.source for part in beside), *([old] if old else [])]
    secrets = _secrets(sources, shared, admin, broker)
    mask = Mask(secrets)

    def placed_in(entry: ReadEntry, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        return placed(problems, places, mask, entry.text("id") or None)

    return Reading(
        config=Config(
            settings=(main.sections.pollers or PollersSection()).settings(),
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
            agents=shared.agents,
            channels=main.sections.channels or {},
            google_accounts=shared.google_accounts,
            providers=shared.providers,
            broker=broker,
            plugins=plugins.manifests,
            secrets=secrets,
            key_files=tuple(
                (key, file) for source in sources for key, file in source.files if key[:1] + key[2:] == API_KEY
            ),
            warnings=(
                *placed((*moved.warnings, *plugins.warnings), places, mask),
                *(problem for entry in entries for problem in placed_in(entry, _warnings(entry, now))),
            ),
            where=places,
            fingerprint=joint([*(source.fingerprint for source in sources), *plugins.fingerprints]),
        ),
        refusals=(
            *placed(
                merged((problem for problem in found if not _is_in_job(problem)), main.faults), places.main.where, mask
            ),
            *(problem for part in beside for problem in _refusals(part, mask)),
            *placed(shared.twice, places, mask),
            *placed((*plugins.refusals, *plugins.unreachable(broker)), places, mask),
            *(placed(moved.refusals, old.lines.where, mask) if old else ()),
            *(problem for entry in entries if not entry.id for problem in placed_in(entry, entry.problems)),
        ),
        faulty=tuple(entry for entry in entries if not entry.spec),
        owners=plugins.owners,
    )


def _refusals(part: Part[Beside], mask: Mask) -> tuple[Problem, ...]:
    return placed(merged(part.source.problems, part.faults), part.source.lines.where, mask)


def _secrets(
    sources: Iterable[Source], shared: Together, admin: AdminSettings, broker: BrokerSettings
) -> frozenset[str]:
    """What must be masked. An account that is called like an agent betrays nothing, and the agent must be named."""
    interpolated, accounts = set[str](), set[str]()
    for source in sources:
        interpolated |= source.secrets
        accounts |= set(google_ids(source.value))
    agents = shared.agents or {}
    accounts |= {bound[GOOGLE] for bound in agents.values() if GOOGLE in bound}
    accounts -= {*agents, *(account.agent_id for account in shared.google_accounts)}
    keys = {provider.api_key for provider in shared.providers.values() if provider.api_key}
    userinfo = urlsplit(broker.url).netloc.rpartition("@")[0]
    token = userinfo.partition(":")[2] or userinfo
    found = {
        secret for secret in (*interpolated, *accounts, *keys, token, unquote(token)) if len(secret) >= SHORTEST_SECRET
    }
    return frozenset(found if admin.token is None else {*found, admin.token})


def _is_in_job(problem: Problem) -> bool:
    return problem.key[: len(JOBS)] == JOBS and len(problem.key) > len(JOBS)


def _part(source: Source, sections: type[S]) -> Part[S]:
    """The sections of a file, or those of them that are sound, for what else can be told by them; and all problems."""
    try:
        return Part(source=source, sections=structure(source.value, sections))
    except ConfigError as error:
        faulty, value = {problem.key[:1] for problem in error.problems}, source.value
        sound = {key: section for key, section in value.items() if (key,) not in faulty} if () not in faulty else {}
        return Part(source=source, sections=structure(sound, sections), faults=error.problems)


def _warnings(entry: ReadEntry, now: datetime | None) -> Iterator[Problem]:
    if now is None or entry.spec is None:
        return
    if isinstance(entry.spec.schedule, At) and entry.spec.schedule.at <= now:
        remedy = "if the job never ran, it runs once, at once" if entry.spec.misfire == "run" else "it will not run"
        yield Problem(what="'at' is past", remedy=remedy, key=(*entry.key, "schedule", "at"), is_warning=True)
