"""Jobs and the pollers of their kinds: what can be checked once the kinds are known."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeVar

from attrs import evolve, frozen

from nexo_poller.config.crosscheck import check_accounts, check_secret_files
from nexo_poller.config.fields import fields_of, is_config_class
from nexo_poller.config.job_config import structure_config
from nexo_poller.config.jobs import ReadEntry
from nexo_poller.config.model import Config, JobSpec, RejectedJob
from nexo_poller.config.names import channel_problems
from nexo_poller.config.plugin_kinds import kinds_taken, plugin_kinds
from nexo_poller.config.problems import Key, in_order, merged, placed, rebased
from nexo_poller.config.provider_fault import provider_fault
from nexo_poller.config.reading import Reading
from nexo_poller.config.spelling import did_you_mean
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.masking import Mask
from nexo_poller.poller import Deliver, Poller

C = TypeVar("C")
Pollers = Mapping[str, Poller[Any]]
Agents = Mapping[str, Mapping[str, str]] | None


@frozen(kw_only=True)
class Provided:
    """What an embedder brings along, so that the configuration need not have it."""

    has_credentials: bool = False
    llm_providers: Collection[str] = ()


NOTHING: Final = Provided()


@frozen
class BoundJob:
    """A job that can run: `config` is what the ticks of `poller` get."""

    spec: JobSpec
    poller: Poller[Any]
    config: Any


def bind_jobs(
    config: Config, pollers: Pollers, provided: Provided = NOTHING
) -> tuple[list[BoundJob], list[RejectedJob]]:
    """The jobs that can run, and all that cannot: those that reading the file rejected come first. Raises nothing."""
    mask = Mask(config.secrets)
    bound: list[BoundJob] = []
    rejected = list(config.rejected)
    for job in config.jobs:
        try:
            bound.append(bind_job(job, pollers, config, provided))
        except ConfigError as error:
            problems = in_order(placed(error.problems, config.where, mask, job.id))
            rejected.append(RejectedJob(id=job.id, kind=job.kind, agent=job.agent, problems=problems))
    return bound, rejected


def bind_job(job: JobSpec, pollers: Pollers, config: Config, provided: Provided = NOTHING) -> BoundJob:
    """The job with its poller and its typed config.

    Raises `ConfigError` with every problem, its key as in the job's document, if the kind is unknown, the config does
    not fit it, its agent is not listed or bound to no account on a channel that it needs or delivers on, or it asks a
    provider of language models that there is not.
    """
    problems: list[Problem] = []
    poller = typed = None
    try:
        poller = _poller(job.kind, job.key, pollers)
        typed = _typed(job.config, job.key, poller)
    except ConfigError as error:
        problems += error.problems
    deliveries = [*_deliveries(job.failure_to, (*job.key, "failure_to")), *_deliveries(typed, (*job.key, "config"))]
    problems += _channel_problems(job, deliveries, config.agents)
    if poller is not None and not provided.has_credentials:
        problems += _account_problems(job, poller, config)
    if poller is not None and typed is not None:
        problems += _provider_problems(job, poller, typed, config, provided)
    if poller is None or problems:
        raise ConfigError(*problems)
    return BoundJob(job, poller, typed)


def provider_of(job: JobSpec, pollers: Pollers) -> str | None:
    """The provider of language models that the job asks; None for a job that asks none, or is wrong."""
    poller = pollers.get(job.kind)
    if poller is None or type(poller).llm_provider is Poller.llm_provider:
        return None
    try:
        return asked(poller, structure_config(job.config, poller))
    except ConfigError:
        return None


def asked(poller: Poller[C], config: C) -> str | None:
    """What `llm_provider` says. Raises `ConfigError` if it fails, being somebody else's code."""
    try:
        return poller.llm_provider(config)
    except Exception as error:
        what = f"the kind '{poller.kind}' failed to name its provider: {type(error).__name__}: {error}"
        raise ConfigError(Problem(what=what, remedy="report it to the author of the kind")) from error


def check_reading(reading: Reading, pollers: Pollers) -> tuple[Problem, ...]:
    """Everything that is wrong with a file, its jobs' configs included, in the order of the file.

    `pollers` are those of this process; what the plugins of the file make of their configs they only say in a tick.
    Entries that cannot run for other reasons are asked about their config too, so that nothing shows up later.
    """
    taken = kinds_taken(reading.owners, pollers, reading.config.where)
    pollers = {**plugin_kinds(reading.owners), **pollers}
    _, rejected = bind_jobs(reading.config, pollers)
    found_binding = [problem for job in rejected[len(reading.config.rejected) :] for problem in job.problems]
    found_in_faulty = [problem for entry in reading.faulty for problem in _config_problems(entry, reading, pollers)]
    found_later = [*found_binding, *found_in_faulty, *_accounts_found(reading), *taken]
    return in_order(merged(reading.problems, found_later))


def _accounts_found(reading: Reading) -> tuple[Problem, ...]:
    """What is wrong with the accounts; only with their files if not all could be read, which is said already."""
    faulty = {problem.key[:1] for problem in reading.refusals}
    check = check_secret_files if faulty & {(), ("agents",), ("google_auth",)} else check_accounts
    return check(reading.config)


def _config_problems(entry: ReadEntry, reading: Reading, pollers: Pollers) -> tuple[Problem, ...]:
    """What the kind of an entry that cannot run says to its config, as far as it has both."""
    config = entry.entry.get("config") or {} if entry.text("kind") else None
    if not isinstance(config, Mapping):
        return ()
    try:
        _typed(config, entry.key, _poller(entry.text("kind"), entry.key, pollers))
    except ConfigError as error:
        mask = Mask(reading.config.secrets)
        return placed(error.problems, reading.config.where, mask, entry.text("id") or None)
    return ()


def _poller(kind: str, key: Key, pollers: Pollers) -> Poller[Any]:
    if kind not in pollers:
        known = ", ".join(sorted(pollers)) or "none"
        hint = did_you_mean(kind, pollers)
        remedy = f"known kinds: {known}" + (f"; {hint}" if hint else "")
        raise ConfigError(Problem(what=f"unknown kind '{kind}'", remedy=remedy, key=(*key, "kind")))
    return pollers[kind]


def _typed(config: Mapping[str, Any], key: Key, poller: Poller[Any]) -> Any:
    try:
        return structure_config(config, poller)
    except ConfigError as error:
        raise ConfigError(*rebased(error.problems, (*key, "config"))) from error


def _deliveries(value: Any, key: Key) -> Iterator[tuple[Key, Deliver]]:
    """Every `Deliver` inside a typed value, with its place."""
    config_class: Any = type(value)
    if config_class is Deliver:
        yield key, value
    elif is_config_class(config_class):
        for field in fields_of(config_class):
            yield from _deliveries(
                getattr(value, field.attribute.name if field.attribute else field.key), (*key, field.key)
            )
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _deliveries(inner, (*key, name))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, inner in enumerate(value):
            yield from _deliveries(inner, (*key, index))


def _channel_problems(job: JobSpec, deliveries: list[tuple[Key, Deliver]], agents: Agents) -> Iterator[Problem]:
    for key, deliver in deliveries:
        yield from rebased(channel_problems(deliver.channel), (*key, "channel"))
    if agents is None:
        return
    if job.agent not in agents:
        hint = did_you_mean(job.agent, agents)
        remedy = f"add it, with its credentials, under agents:{f'; {hint}' if hint else ''}"
        yield Problem(what=f"agent '{job.agent}' is not listed", remedy=remedy, key=(*job.key, "agent"))
        return
    accounts = agents[job.agent]
    for key, deliver in deliveries:
        if deliver.channel not in accounts:
            hint = did_you_mean(deliver.channel, accounts)
            yield Problem(
                what=f"agent '{job.agent}' has no account on channel '{deliver.channel}'",
                remedy=f"add '{deliver.channel}: <account>' to its credentials{f'; {hint}' if hint else ''}",
                key=(*key, "channel"),
            )


def _account_problems(job: JobSpec, poller: Poller[Any], config: Config) -> Iterator[Problem]:
    """What the kind needs to act for the agent, and is not there."""
    if config.agents is not None and job.agent not in config.agents:
        return  # which is said already
    accounts = config.accounts_of(job.agent)
    for channel in poller.channels:
        if channel not in accounts:
            yield Problem(
                what=f"the kind '{job.kind}' needs an account on channel '{channel}', and agent '{job.agent}' has none",
                remedy=f"add '{channel}: <account>' to its credentials under agents:",
                key=(*job.key, "agent"),
            )


def _provider_problems(
    job: JobSpec, poller: Poller[C], typed: C, config: Config, provided: Provided
) -> Iterator[Problem]:
    try:
        provider = asked(poller, typed)
    except ConfigError as error:
        yield from rebased(error.problems, job.key)
        return
    if provider is None or provider in provided.llm_providers:
        return
    key = (*job.key, "config", "llm", "provider")
    if provider not in config.providers:
        known = {*config.providers, *provided.llm_providers}
        hint = did_you_mean(provider, known)
        remedy = f"there are {', '.join(sorted(known)) or 'none'}; add it under providers:{f'; {hint}' if hint else ''}"
        what = f"the provider '{provider}' of language models is not listed"
        yield Problem(what=what, remedy=remedy, key=key)
    elif problem := provider_fault(config.providers[provider]):
        yield evolve(problem, key=key)
