"""`plugins/gmail-poller.yaml`, the file of a program that is no more, as jobs of kind `gmail`.

    gmail_poller:
      interval_secs: 60
      accounts: [{id: …, agent_id: …, token_path: …, client_id_path: …, client_secret_path: …}]
      jobs: [{name: …, account: …, query: …, forward_to_subject: plugin.outbound.whatsapp.personal, forward_to: …, …}]

`job_entry` makes the entry of `jobs:`, of values that are resolved and of values that are not, so that what runs and what
is moved into `pollers.yaml` are the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen
from attrs.validators import ge, le

from nexo_poller.config.model import GoogleAccount
from nexo_poller.config.problems import Key
from nexo_poller.config.sections import TEN_YEARS_SECS
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, Problem

JOBS: Final[Key] = ("gmail_poller", "jobs")
ONLY_ACCOUNT: Final = "default"
DEFAULT_SECS: Final = 60
SAME_IN_CONFIG: Final = (
    *("query", "newer_than", "max_per_tick", "dispatch_delay_ms", "sender_allowlist", "extract", "require_fields"),
    *("message_template", "mark_read_on_dispatch"),
)
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
_SUBJECT: Final = re.compile(r"plugin\.outbound\.(?P<channel>[^.]+)(\.(?P<instance>.+))?", re.DOTALL)
_SECS: Final[Any] = [ge(0), le(TEN_YEARS_SECS)]


def _check_subject(_: Any, __: Any, subject: str) -> None:
    if not _SUBJECT.fullmatch(subject):
        remedy = "write plugin.outbound.<channel>.<account>"
        raise ConfigError(Problem(what="'forward_to_subject' names no channel", remedy=remedy))


@frozen(kw_only=True)
class OldJob:
    """An entry of the old `jobs:`. What becomes part of a job's `config` is looked at there."""

    name: str
    query: str
    message_template: str
    forward_to_subject: str = field(validator=_check_subject)
    forward_to: str
    account: str = field(default=ONLY_ACCOUNT, repr=False)
    interval_secs: float | None = None
    newer_than: Any = None
    max_per_tick: Any = None
    dispatch_delay_ms: Any = None
    sender_allowlist: Any = None
    extract: Any = None
    require_fields: Any = None
    mark_read_on_dispatch: Any = None


@frozen(kw_only=True)
class OldAccount:
    """An entry of the old `accounts:`, with paths relative to the folder of the file."""

    id: str = field(repr=False)
    agent_id: str | None = None
    token_path: str
    client_id_path: str
    client_secret_path: str

    @property
    def agent(self) -> str:
        """The agent that acts for it."""
        return self.agent_id or self.id

    def account(self, folder: Path) -> GoogleAccount:
        """The account, for a file in `folder`."""
        return GoogleAccount(
            id=self.id,
            agent_id=self.agent,
            client_id_path=folder / self.client_id_path,
            client_secret_path=folder / self.client_secret_path,
            token_path=folder / self.token_path,
        )


@frozen(kw_only=True)
class OldSection:
    """What stands under `gmail_poller:`. Paths here, outside `accounts:`, are those of the only account."""

    enabled: bool = True
    interval_secs: float = field(default=DEFAULT_SECS, validator=_SECS)
    accounts: Sequence[OldAccount] | None = None
    jobs: Sequence[Any] | None = None  # each on its own, so that one faulty entry leaves its siblings alone
    token_path: str | None = None
    client_id_path: str | None = None
    client_secret_path: str | None = None

    def listed(self) -> Sequence[OldAccount]:
        """All accounts."""
        if self.accounts or not (self.token_path and self.client_id_path and self.client_secret_path):
            return self.accounts or ()
        only = OldAccount(
            id=ONLY_ACCOUNT,
            token_path=self.token_path,
            client_id_path=self.client_id_path,
            client_secret_path=self.client_secret_path,
        )
        return [only]

    def agents(self) -> Mapping[str, str]:
        """The agent of each account."""
        return {account.id: account.agent for account in self.listed()}


@frozen(kw_only=True)
class OldFile:
    """The whole file."""

    gmail_poller: OldSection | None = None
    schema_version: Any = None

    @property
    def section(self) -> OldSection:
        """What the file says, which is nothing if it is not enabled."""
        return self.gmail_poller if self.gmail_poller and self.gmail_poller.enabled else OldSection()


@frozen(kw_only=True)
class Translated:
    """What becomes of an old job. `entry` None: nothing, since it is faulty (`problems`) or has no account.

    `instance` is the account on `channel` that its messages were sent by, None: any.
    """

    key: Key
    name: str
    id: str | None = None
    entry: Mapping[str, Any] | None = None
    channel: str = ""
    instance: str | None = None
    problems: tuple[Problem, ...] = ()


def translate(section: OldSection) -> Iterator[Translated]:
    """Every job of the file, in order."""
    agents = section.agents()
    for n, raw in enumerate(section.jobs or ()):
        key, name = (*JOBS, n), raw.get("name") if isinstance(raw, Mapping) else None
        job_id = old_job_id(name) if isinstance(name, str) else None
        try:
            job = structure(raw, OldJob)
        except ConfigError as error:
            yield Translated(key=key, name=str(name or ""), id=job_id, problems=error.problems)
            continue
        if job.account not in agents:
            yield Translated(key=key, name=job.name)
            continue
        channel, instance = subject_parts(job.forward_to_subject)
        entry = job_entry(raw, old_job_id(job.name), agents[job.account], section.interval_secs)
        yield Translated(key=key, name=job.name, id=job_id, entry=entry, channel=channel, instance=instance)


def old_job_id(name: str) -> str:
    """The id of the job that takes over from the old job `name`."""
    return f"gmail_legacy_{_ODD.sub('_', name)}"


def job_entry(job: Mapping[str, Any], job_id: str, agent: str, interval_secs: float) -> dict[str, Any]:
    """The entry of `jobs:` for an old one that has all it needs; `interval_secs` is that of jobs without their own."""
    channel, _ = subject_parts(job["forward_to_subject"])
    config = {key: job[key] for key in SAME_IN_CONFIG if job.get(key) is not None}
    return {
        "id": job_id,
        "kind": "gmail",
        "agent": agent,
        "schedule": {"every_secs": max(job.get("interval_secs") or interval_secs, 1)},
        "config": {**config, "deliver": {"channel": channel, "to": job["forward_to"]}},
    }


def subject_parts(subject: str) -> tuple[str, str | None]:
    """Channel and instance of a `plugin.outbound.<channel>.<instance>`; `default` was no instance but any."""
    found = _SUBJECT.fullmatch(subject)
    if found is None:
        return subject, None
    return found["channel"], None if found["instance"] == ONLY_ACCOUNT else found["instance"]


def routes(key: Key) -> Iterator[tuple[Key, Key]]:
    """Where the parts of the job that an old one at `key` became stand in the old file."""
    yield (*key, "config"), key
    yield (*key, "config", "deliver", "channel"), (*key, "forward_to_subject")
    yield (*key, "config", "deliver", "to"), (*key, "forward_to")
    yield (*key, "schedule", "every_secs"), (*key, "interval_secs")
