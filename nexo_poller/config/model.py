"""A configuration as the rest of the library sees it: values, checked, no YAML."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

from attrs import Factory, field, frozen
from attrs.validators import deep_iterable, ge, gt, le, optional

from nexo_poller.config.binds import Bind, TcpBind, UnixBind
from nexo_poller.config.names import check_job_id, check_token, several_hosts
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.config.problems import Key, Where, nowhere
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.of_type import of_type, one_of
from nexo_poller.poller import Deliver
from nexo_poller.schedule import At, Cron, Every
from nexo_poller.timetable import Misfire

GOOGLE: Final = "google"  # the channel of Google accounts
ApiFlavor = Literal["openai_compat", "anthropic_messages"]
BrokerType = Literal["local", "nats"]
NO_TIME = timedelta()
TIME = of_type(timedelta, write="timedelta(seconds=60)")
NOT_NEGATIVE = [TIME, ge(NO_TIME)]
POSITIVE = [TIME, gt(NO_TIME)]
AT_LEAST_ONE = [of_type(int), ge(1)]
NUMBER = of_type(int, float)
DEFAULT_BIND = TcpBind("127.0.0.1", 9091)


@frozen(kw_only=True)
class Settings:
    """The keys of `pollers:` other than its jobs; the defaults are those of the file format."""

    enabled: bool = True
    state_db: Path = field(default=Path("./data/poller.db"), converter=Path)
    default_jitter: timedelta = field(default=timedelta(milliseconds=5000), validator=NOT_NEGATIVE)
    lease_ttl_factor: float = field(default=2.0, validator=[NUMBER, gt(0), le(1000)])
    failure_alert_cooldown: timedelta = field(default=timedelta(seconds=3600), validator=NOT_NEGATIVE)
    breaker_threshold: int = field(default=5, validator=AT_LEAST_ONE)
    max_concurrent_ticks: int = field(default=64, validator=AT_LEAST_ONE)
    tick_timeout: timedelta = field(default=timedelta(seconds=300), validator=POSITIVE)
    history_per_job: int = field(default=100, validator=AT_LEAST_ONE)
    max_pending_per_job: int = field(default=1000, validator=AT_LEAST_ONE)
    max_delivery_attempts: int = field(default=10, validator=AT_LEAST_ONE)


@frozen(kw_only=True)
class JobSpec:
    """One entry of `jobs:`. `config` is the plain mapping of the file; its kind's poller structures it.

    `misfire` says what becomes of slots that were missed. `tick_timeout` None means the settings' own. Without
    a success for `stale_after` the job raises its failure alert; None: never. `key` is the entry's place in its
    document, for problems found later.
    """

    id: str = field(validator=check_job_id)
    kind: str
    agent: str
    schedule: Every | Cron | At = field(validator=of_type(Every, Cron, At, write="Every(timedelta(seconds=60))"))
    config: Mapping[str, Any] = field(factory=dict, repr=False)
    failure_to: Deliver | None = field(default=None, validator=optional(of_type(Deliver)))
    paused_on_boot: bool = False
    misfire: Misfire = field(default="run", validator=one_of(*get_args(Misfire)))
    tick_timeout: timedelta | None = field(default=None, validator=optional(POSITIVE))
    stale_after: timedelta | None = field(default=None, validator=optional(POSITIVE))
    extra: Mapping[str, Any] = field(factory=dict, repr=False)
    key: tuple[str | int, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True)
class RejectedJob:
    """A job that does not run, and everything that is wrong with it. Its siblings run. Unreadable fields are ""."""

    id: str
    kind: str = ""
    agent: str = ""
    problems: tuple[Problem, ...] = ()


@frozen(kw_only=True)
class AdminSettings:
    """The section `admin:`: where the admin server listens, and whom it answers.

    `token` is what callers must show, None: nothing. `hosts` are the names, besides those of this machine, by which the
    server may be called.
    """

    bind: Bind = field(default=DEFAULT_BIND, validator=of_type(TcpBind, UnixBind, write='TcpBind("127.0.0.1", 9091)'))
    token: str | None = field(default=None, repr=False, validator=optional([of_type(str), check_token]))
    hosts: tuple[str, ...] = field(default=(), converter=several_hosts, validator=deep_iterable(of_type(str)))


@frozen(kw_only=True)
class BrokerSettings:
    """The section `broker:`. Without a file of its NKey, a client shows nothing to the server at `url`."""

    type: BrokerType = field(default="local", validator=one_of(*get_args(BrokerType)))
    url: str = field(default="nats://127.0.0.1:4222", repr=False)
    nkey_file: Path | None = None


@frozen(kw_only=True)
class GoogleAccount:
    """A Google account, which one agent acts for.

    The paths are those of the OAuth client's id and secret, and of the token that a login wrote. `scopes` are as the
    file has them, in full or without `https://www.googleapis.com/auth/`.
    """

    id: str = field(repr=False)
    agent_id: str
    client_id_path: Path = field(converter=Path)
    client_secret_path: Path = field(converter=Path)
    token_path: Path = field(converter=Path)
    scopes: tuple[str, ...] = ()


@frozen(kw_only=True)
class RetrySettings:
    """How often a request to a model is sent, the first time included, and how long to wait in between.

    The waits grow from `initial_backoff` by `multiplier` up to `max_backoff`.
    """

    max_attempts: int = field(default=5, validator=AT_LEAST_ONE)
    initial_backoff: timedelta = field(default=timedelta(seconds=1), validator=NOT_NEGATIVE)
    max_backoff: timedelta = field(default=timedelta(seconds=60), validator=NOT_NEGATIVE)
    multiplier: float = field(default=2.0, validator=[NUMBER, ge(1)])


@frozen(kw_only=True)
class ProviderSettings:
    """A provider of language models. `base_url` None: where its SDK looks by itself. `api_flavor` is the wire it speaks."""

    name: str
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = field(default=None, repr=False)
    api_flavor: ApiFlavor = field(default="openai_compat", validator=one_of(*get_args(ApiFlavor)))
    requests_per_second: float = field(default=2.0, validator=[NUMBER, gt(0)])
    retry: RetrySettings = RetrySettings()


def _check_ids(_: Any, __: Any, jobs: tuple[JobSpec, ...]) -> None:
    twice = [job_id for job_id, count in Counter(job.id for job in jobs).items() if count > 1]
    if twice:
        raise ConfigError(
            *(Problem(what=f"two jobs have the id '{job_id}'", remedy="give each its own") for job_id in twice)
        )


@frozen(kw_only=True)
class Config:
    """A whole configuration, be it one file or a folder.

    `agents` maps an agent to its accounts (`{"ana": {"telegram": "ana_bot"}}`); None means that there is no such
    section. `channels` maps `<channel>.<instance>`, `<channel>` or `*` to a sink; `providers` a name to a provider of
    language models. `plugins` are in the order of their ids, and no two own a kind. `secrets` are the values that came
    from `${…}`, keys and Google accounts, and must be masked wherever text leaves; `key_files` are the places of keys of
    providers that came from files, and those. `fingerprint` is the sha256, in hex, of what this was read from; "" if that
    is no file.
    """

    settings: Settings = field(default=Settings(), validator=of_type(Settings))
    admin: AdminSettings = field(default=AdminSettings(), validator=of_type(AdminSettings))
    jobs: tuple[JobSpec, ...] = field(default=(), validator=[deep_iterable(of_type(JobSpec)), _check_ids])
    rejected: tuple[RejectedJob, ...] = ()
    agents: Mapping[str, Mapping[str, str]] | None = field(default=None, repr=False)
    channels: Mapping[str, str] = field(factory=dict, repr=False)
    google_accounts: tuple[GoogleAccount, ...] = ()
    providers: Mapping[str, ProviderSettings] = Factory(dict)
    broker: BrokerSettings = BrokerSettings()
    plugins: tuple[PluginManifest, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    key_files: tuple[tuple[Key, Path], ...] = ()
    warnings: tuple[Problem, ...] = ()
    where: Where = field(default=nowhere, eq=False, repr=False)
    fingerprint: str = field(default="", eq=False)

    def accounts_of(self, agent_id: str) -> Mapping[str, str]:
        """The account of an agent on each channel. Where there is no section `agents:`, a Google account is bound already."""
        if self.agents is not None:
            return self.agents.get(agent_id, {})
        own = [account.id for account in self.google_accounts if account.agent_id == agent_id]
        return {GOOGLE: own[0]} if own else {}
