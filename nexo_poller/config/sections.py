"""The file as people write it: its keys, their types, defaults and bounds, with the unit last in a name.

A further section of the file is a further field of `File`. Checking and the JSON Schema both go by these classes.
A mapping or list may be left empty (`config:` with nothing after it), which is the same as leaving it out.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen
from attrs.validators import and_, ge, gt, le, max_len, min_len, optional

from nexo_poller.config.accounts import GoogleAuthSection, ProviderEntry, RetryEntry, check_provider_names
from nexo_poller.config.binds import parse_bind
from nexo_poller.config.model import AdminSettings, BrokerSettings, BrokerType, Settings
from nexo_poller.config.names import (
    check_credentials,
    check_host_names,
    check_job_id,
    check_routes,
    check_state_db,
    check_token,
)
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.poller import Deliver
from nexo_poller.schedule import At, Cron, Every
from nexo_poller.timetable import Misfire

TEN_YEARS_SECS: Final = 3650 * 24 * 3600  # beyond it, a number is a slip of the pen
MANY: Final = 1_000_000
NATS_URL: Final = re.compile(r"(nats|tls)://[^\s/\x00-\x1f\x7f-\x9f]+/?")
TIMEOUT_SECS: Final[Any] = and_(ge(0.001), le(TEN_YEARS_SECS))


def _check_stale_after(job: "JobEntry", _: Any, secs: float) -> None:
    if isinstance(job.schedule, Every) and secs <= job.schedule.interval.total_seconds():
        what = f"a job that is due every {job.schedule.interval.total_seconds():g} s would be stale between two ticks"
        raise ConfigError(Problem(what=what, remedy="give it several times its interval"))


@frozen(kw_only=True)
class JobEntry:
    """One entry of `jobs:`."""

    id: str = field(validator=check_job_id)
    kind: str = field(validator=min_len(1))
    agent: str = field(validator=[min_len(1), max_len(128)])
    schedule: Every | Cron | At
    config: Mapping[str, Any] | None = None
    failure_to: Deliver | None = None
    paused_on_boot: bool = False
    misfire: Misfire = "run"
    tick_timeout_secs: float | None = field(default=None, validator=optional(TIMEOUT_SECS))
    stale_after_secs: float | None = field(default=None, validator=optional([TIMEOUT_SECS, _check_stale_after]))
    extra: Mapping[str, Any] | None = None


@frozen(kw_only=True)
class PollersSection:
    """What stands under `pollers:`."""

    enabled: bool = True
    state_db: str = field(default="./data/poller.db", validator=check_state_db)
    default_jitter_ms: int = field(default=5000, validator=[ge(0), le(TEN_YEARS_SECS * 1000)])
    lease_ttl_factor: float = field(default=2.0, validator=[gt(0), le(1000)])
    failure_alert_cooldown_secs: float = field(default=3600, validator=[ge(0), le(TEN_YEARS_SECS)])
    breaker_threshold: int = field(default=5, validator=[ge(1), le(MANY)])
    max_concurrent_ticks: int = field(default=64, validator=[ge(1), le(MANY)])
    tick_timeout_secs: float = field(default=300, validator=TIMEOUT_SECS)
    history_per_job: int = field(default=100, validator=[ge(1), le(MANY)])
    max_pending_per_job: int = field(default=1000, validator=[ge(1), le(MANY)])
    max_delivery_attempts: int = field(default=10, validator=[ge(1), le(MANY)])
    jobs: Sequence[Any] | None = None  # each on its own, so that one faulty entry leaves its siblings alone

    def settings(self) -> Settings:
        """What the keys other than `jobs` say."""
        return Settings(
            enabled=self.enabled,
            state_db=Path(self.state_db),
            default_jitter=timedelta(milliseconds=self.default_jitter_ms),
            lease_ttl_factor=self.lease_ttl_factor,
            failure_alert_cooldown=timedelta(seconds=self.failure_alert_cooldown_secs),
            breaker_threshold=self.breaker_threshold,
            max_concurrent_ticks=self.max_concurrent_ticks,
            tick_timeout=timedelta(seconds=self.tick_timeout_secs),
            history_per_job=self.history_per_job,
            max_pending_per_job=self.max_pending_per_job,
            max_delivery_attempts=self.max_delivery_attempts,
        )


def _check_bind(section: "AdminSection", _: Any, bind: str) -> None:
    if not parse_bind(bind).is_private and section.token is None:
        what = f"whoever reaches {bind} could steer the daemon, and no token is asked for"
        remedy = "add token: ${file:…} under admin:, or bind to 127.0.0.1 or unix:PATH"
        raise ConfigError(Problem(what=what, remedy=remedy))


@frozen(kw_only=True)
class AdminSection:
    """What stands under `admin:`: where the admin server listens (HOST:PORT or unix:PATH), and whom it answers."""

    bind: str = field(default="127.0.0.1:9091", validator=_check_bind)
    token: str | None = field(default=None, repr=False, validator=optional(check_token))
    hosts: Sequence[str] | None = field(default=None, validator=optional(check_host_names))

    def settings(self) -> AdminSettings:
        """What the keys say."""
        return AdminSettings(bind=parse_bind(self.bind), token=self.token, hosts=tuple(self.hosts or ()))


def _check_search_paths(_: Any, __: Any, search_paths: Sequence[str]) -> None:
    faulty = [n for n, search_path in enumerate(search_paths) if not search_path or "\0" in search_path]
    if faulty:
        what, remedy = "this is no search path", "such as ./plugins/*/nexo-plugin.toml"
        raise ConfigError(*(Problem(what=what, remedy=remedy, key=(n,)) for n in faulty))


@frozen(kw_only=True)
class PluginsSection:
    """What stands under `plugins:`: patterns of the folders of plugins, or of their manifests, relative to this file."""

    search_paths: Sequence[str] | None = field(default=None, validator=optional(_check_search_paths))


def _check_nats_url(_: Any, __: Any, url: str) -> None:
    with suppress(ValueError):  # a port that is none, brackets around nothing
        parts = urlsplit(url)
        if NATS_URL.fullmatch(url) and parts.hostname and parts.port != 0:
            return
    what, remedy = "this is no address of a NATS server", "such as nats://127.0.0.1:4222"
    raise ConfigError(Problem(what=what, remedy=remedy))


def _check_nkey(section: "BrokerAuthEntry", _: Any, nkey_file: str | None) -> None:
    if section.enabled and (not nkey_file or "\0" in nkey_file):
        what, remedy = "`enabled` without the file of an NKey", "name one: nkey_file: ./daemon.nk"
        raise ConfigError(Problem(what=what, remedy=remedy))


@frozen(kw_only=True)
class BrokerAuthEntry:
    """Whether the daemon shows an NKey to the server, and the file of its seed, relative to this one."""

    enabled: bool = True
    nkey_file: str | None = field(default=None, validator=_check_nkey)


@frozen(kw_only=True)
class BrokerSection:
    """What stands under `broker:`: `local`, which is this process, or a NATS server."""

    type: BrokerType = "local"
    url: str = field(default="nats://127.0.0.1:4222", validator=_check_nats_url, repr=False)
    auth: BrokerAuthEntry | None = None

    def settings(self, folder: Path) -> BrokerSettings:
        """What the keys say, in a file in `folder`."""
        nkey = self.auth.nkey_file if self.auth and self.auth.enabled else None
        return BrokerSettings(type=self.type, url=self.url, nkey_file=None if nkey is None else folder / nkey)


def _check_channels(file: "File", _: Any, channels: Mapping[str, str] | None) -> None:
    check_routes(file, _, channels or {})
    if channels and file.broker is not None and file.broker.type == "nats":
        what = "with `broker: {type: nats}` whoever subscribes there delivers, and `channels:` would do so once more"
        raise ConfigError(Problem(what=what, remedy="remove `channels:`, or use `type: local`"))


@frozen(kw_only=True)
class AgentEntry:
    """An agent and its accounts: `credentials` maps a channel to the account on it."""

    id: str = field(validator=[min_len(1), max_len(128)])
    credentials: Mapping[str, str] | None = field(default=None, validator=optional(check_credentials))


@frozen(kw_only=True)
class File:
    """The whole file. `schema_version` is there for other programs and is ignored."""

    pollers: PollersSection | None = None
    admin: AdminSection | None = None
    agents: Sequence[AgentEntry] | None = None
    plugins: PluginsSection | None = None
    broker: BrokerSection | None = None
    channels: Mapping[str, str] | None = field(default=None, validator=_check_channels)
    google_auth: GoogleAuthSection | None = None
    providers: Mapping[str, ProviderEntry] | None = field(default=None, validator=optional(check_provider_names))
    retry: RetryEntry | None = None
    schema_version: Any = None


@frozen(kw_only=True)
class Beside:
    """A file beside it, with sections that may stand in either. The keys after `retry` are for other programs."""

    agents: Sequence[AgentEntry] | None = None
    google_auth: GoogleAuthSection | None = None
    providers: Mapping[str, ProviderEntry] | None = field(default=None, validator=optional(check_provider_names))
    retry: RetryEntry | None = None
    schema_version: Any = None
    context_optimization: Any = None
    tenants: Any = None
