"""The sections about what agents act with: accounts at Google, and providers of language models.

They may stand in `pollers.yaml` or in files that other programs read too, whose keys are known here and ignored.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen
from attrs.validators import ge, gt, le, max_len, min_len, optional

from nexo_poller.config.model import ApiFlavor, GoogleAccount, ProviderSettings, RetrySettings
from nexo_poller.config.names import ACCOUNT, TOKEN
from nexo_poller.errors import ConfigError, Problem

A_DAY_MS: Final = 24 * 3600 * 1000
ANTHROPIC: Final = "anthropic"
URL: Final = re.compile(r"https?://[^\s\x00-\x1f\x7f-\x9f]+")


def google_ids(value: Any) -> Iterator[str]:
    """The ids of all Google accounts in the value of a file, be it new or old, and however faulty."""
    for section in ("google_auth", "gmail_poller"):
        inner = value.get(section) if isinstance(value, Mapping) else None
        accounts = inner.get("accounts") if isinstance(inner, Mapping) else None
        for account in accounts if isinstance(accounts, list) else ():
            if isinstance(account, Mapping) and isinstance(account.get("id"), str):
                yield account["id"]


def _check_account(_: Any, __: Any, account: str) -> None:
    if not ACCOUNT.fullmatch(account):
        what = "the id of this account cannot be part of a topic"
        raise ConfigError(Problem(what=what, remedy="no spaces, no * or >, no dot at an end or beside another"))


def _check_path(_: Any, __: Any, path: str) -> None:
    if not path or "\0" in path:
        raise ConfigError(Problem(what="this is no path", remedy="name a file, relative to the folder of this one"))


def _check_url(_: Any, __: Any, url: str) -> None:
    if url and not _is_url(url):
        raise ConfigError(Problem(what="this is no address of a provider", remedy="write an http(s):// URL"))


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return URL.fullmatch(url) is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without their other half, a port that is none
        return False


def _check_key(_: Any, __: Any, key: str) -> None:
    if key and not TOKEN.fullmatch(key):
        what = "the key has spaces, line breaks or characters beyond ASCII, so that it cannot be sent"
        raise ConfigError(Problem(what=what, remedy="look at what is before and after it where it comes from"))


@frozen(kw_only=True)
class GoogleAccountEntry:
    """A Google account, the agent that acts for it, and the files of its secrets, relative to the folder of this file."""

    id: str = field(validator=_check_account, repr=False)
    agent_id: str = field(validator=[min_len(1), max_len(128)])
    client_id_path: str = field(validator=_check_path)
    client_secret_path: str = field(validator=_check_path)
    token_path: str = field(validator=_check_path)
    scopes: Sequence[str] | None = None

    def account(self, folder: Path) -> GoogleAccount:
        """The account, for an entry of a file in `folder`."""
        return GoogleAccount(
            id=self.id,
            agent_id=self.agent_id,
            client_id_path=folder / self.client_id_path,
            client_secret_path=folder / self.client_secret_path,
            token_path=folder / self.token_path,
            scopes=tuple(self.scopes or ()),
        )


@frozen(kw_only=True)
class GoogleAuthSection:
    """What stands under `google_auth:`."""

    accounts: Sequence[GoogleAccountEntry] | None = None


@frozen(kw_only=True)
class RetryEntry:
    """How often a request to a model is sent at most, and the waits in between."""

    max_attempts: int = field(default=5, validator=[ge(1), le(100)])
    initial_backoff_ms: float = field(default=1000, validator=[ge(0), le(A_DAY_MS)])
    max_backoff_ms: float = field(default=60_000, validator=[ge(0), le(A_DAY_MS)])
    backoff_multiplier: float = field(default=2.0, validator=[ge(1), le(1000)])

    def settings(self) -> RetrySettings:
        """What the keys say."""
        return RetrySettings(
            max_attempts=self.max_attempts,
            initial_backoff=timedelta(milliseconds=self.initial_backoff_ms),
            max_backoff=timedelta(milliseconds=self.max_backoff_ms),
            multiplier=self.backoff_multiplier,
        )


@frozen(kw_only=True)
class RateLimitEntry:
    """How many requests a second a provider is sent. `quota_alert_threshold` is another program's and is ignored."""

    requests_per_second: float = field(default=2.0, validator=[gt(0), le(1_000_000)])
    quota_alert_threshold: Any = None


@frozen(kw_only=True)
class ProviderEntry:
    """A provider of language models. The keys after `retry` are another program's and are ignored."""

    api_key: str | None = field(default=None, repr=False, validator=optional(_check_key))
    base_url: str | None = field(default=None, validator=optional(_check_url))
    api_flavor: ApiFlavor | None = None
    rate_limit: RateLimitEntry | None = None
    retry: RetryEntry | None = None
    group_id: Any = field(default=None, repr=False)
    auth: Any = field(default=None, repr=False)
    embedding_model: Any = None
    safety_settings: Any = None
    factory_type: Any = None
    api_key_secret_id: Any = None

    def settings(self, name: str, retry: RetryEntry | None) -> ProviderSettings:
        """What the keys say; `retry` is for a provider that has none of its own."""
        return ProviderSettings(
            name=name,
            api_key=self.api_key or None,
            base_url=self.base_url or None,
            api_flavor=self.api_flavor or ("anthropic_messages" if name == ANTHROPIC else "openai_compat"),
            requests_per_second=(self.rate_limit or RateLimitEntry()).requests_per_second,
            retry=(self.retry or retry or RetryEntry()).settings(),
        )


def check_provider_names(_: Any, __: Any, providers: Mapping[str, ProviderEntry]) -> None:
    """Raise `ConfigError` for a provider without a name."""
    if "" in providers:
        raise ConfigError(Problem(what="a provider has no name", remedy="give it one", key=("",)))
