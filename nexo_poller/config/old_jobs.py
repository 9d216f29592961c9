"""What an old `gmail-poller.yaml` adds to the rest of its folder: jobs, and the accounts of agents that have none."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from attrs import evolve, frozen

from nexo_poller.config.jobs import ReadEntry, by_job, read_job
from nexo_poller.config.model import GOOGLE
from nexo_poller.config.names import is_job_id
from nexo_poller.config.old_gmail import JOBS, OldFile, OldSection, Translated, routes, translate
from nexo_poller.config.problems import Key, merged, rebased
from nexo_poller.config.source import Source
from nexo_poller.config.structuring import structure
from nexo_poller.config.together import Places, Together, account_key
from nexo_poller.errors import ConfigError, Problem

MOVE: Final = "run `nexo-poller migrate gmail`, then delete this file"


@frozen(kw_only=True)
class WithOldJobs:
    """`entries` run or are rejected like those of `pollers.yaml`. `refusals` and `warnings` have no place yet."""

    entries: tuple[ReadEntry, ...] = ()
    together: Together
    warnings: tuple[Problem, ...] = ()
    refusals: tuple[Problem, ...] = ()


def with_old_jobs(source: Source, together: Together, taken: Collection[str], places: Places) -> WithOldJobs:
    """The old jobs whose ids nobody has `taken`, and what they need. Adds to `places` where they stand.

    An agent that has no Google account takes the one of the old file, and one without an account on a channel the one
    that its job was sent by.
    """
    places.routes[JOBS[:1]] = (source.lines, JOBS[:1])
    in_jobs = [problem for problem in source.problems if problem.key[: len(JOBS)] == JOBS]
    refusals = [problem for problem in source.problems if problem not in in_jobs]
    try:
        section = structure(source.value, OldFile).section
    except ConfigError as error:
        return WithOldJobs(together=together, refusals=tuple(merged(refusals, error.problems)))
    known, entries, told = by_job(in_jobs), list[ReadEntry](), list[Problem]()
    translated = list(translate(section))
    for old in translated:
        places.routes |= {part: (source.lines, whence) for part, whence in routes(old.key)}
        told += _told(old, taken)
        if old.id not in taken and (old.entry or old.problems):
            entries.append(_read(old, known[old.key]))
    completed = _completed(together, section, translated, source, places)
    told += _sent_by_others(translated, completed)
    return WithOldJobs(entries=tuple(entries), together=completed, warnings=tuple(told), refusals=tuple(refusals))


def _read(old: Translated, found: Sequence[Problem]) -> ReadEntry:
    if old.entry is not None:
        return read_job(old.entry, old.key, found)
    problems = tuple(merged(found, rebased(old.problems, old.key)))
    identity = old.id if is_job_id(old.id) else None
    return ReadEntry(key=old.key, entry={"id": old.id, "kind": "gmail"}, id=identity, problems=problems)


def _told(old: Translated, taken: Collection[str]) -> Iterator[Problem]:
    """A warning about what becomes of the old job; a faulty one has its problems."""
    if old.id in taken:
        what, remedy = f"the job '{old.id}' runs instead of the old '{old.name}'", "delete the old one"
    elif old.entry is not None:
        what, remedy = f"the old job '{old.name}' runs as '{old.id}'", MOVE
    elif old.problems:
        return
    else:
        what, remedy = f"the old job '{old.name}' is left out: its account is not listed", "list it under accounts:"
    yield Problem(what=what, remedy=remedy, key=old.key, is_warning=True)


def _completed(
    together: Together, section: OldSection, jobs: Sequence[Translated], source: Source, places: Places
) -> Together:
    """The sections of all files, with the accounts that only the old one has."""
    accounts = {account.agent_id: account for account in together.google_accounts}
    ids = {account.id for account in together.google_accounts}
    for n, old in enumerate(section.listed()):
        is_listed = together.agents is None or old.agent in together.agents
        if is_listed and old.agent not in accounts and old.id not in ids:
            accounts[old.agent] = old.account(source.folder)
            places.routes[account_key(old.id)] = (source.lines, ("gmail_poller", "accounts", n))
    bound = {agent: {GOOGLE: account.id} for agent, account in accounts.items() if agent in section.agents().values()}
    for job in jobs:
        if job.entry is not None and job.instance is not None:
            bound.setdefault(job.entry["agent"], {}).setdefault(job.channel, job.instance)
    added = [account for account in accounts.values() if account not in together.google_accounts]
    completed = evolve(together, google_accounts=(*together.google_accounts, *added))
    if together.agents is None:
        return completed
    agents = {agent: {**bound.get(agent, {}), **given} for agent, given in together.agents.items()}
    return evolve(completed, agents=agents)


def _sent_by_others(jobs: Sequence[Translated], together: Together) -> Iterator[Problem]:
    """A warning for each job that another account may send than did before."""
    for job in jobs:
        if job.entry is None or job.instance is None:
            continue
        key: Key = (*job.key, "forward_to_subject")
        agent, channel = job.entry["agent"], job.channel
        if together.agents is None:
            what = f"the old job '{job.name}' names an account on channel '{channel}', to which no `agents:` binds its agent"
            remedy = f"its messages go out by any; add '{channel}: <account>' to the credentials of agent '{agent}'"
            yield Problem(what=what, remedy=remedy, key=key, is_warning=True)
        elif together.agents.get(agent, {}).get(channel) not in (None, job.instance):
            what = f"the old job '{job.name}' names another account on channel '{channel}' than its agent has"
            yield Problem(what=what, remedy="its messages go out by the agent's own", key=key, is_warning=True)
