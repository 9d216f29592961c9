"""What is said to values of a wrong type, as people write them by hand."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nexo_poller import (
    AdminSettings,
    BrokerSettings,
    Config,
    ConfigError,
    Cron,
    Every,
    GoogleAccount,
    JobSpec,
    ProviderSettings,
    RetrySettings,
    Settings,
    TickMetrics,
    Tool,
    parse_schedule,
)
from nexo_poller.admin import Rules

MINUTE = Every(timedelta(minutes=1))
SEVERAL = 'hosts must be several names, not one text; write ["ops.example"]'
A_TIME = "must be timedelta, not int; write timedelta(seconds="


def job(**changes: Any) -> JobSpec:
    return JobSpec(**{"id": "inbox", "kind": "rss", "agent": "ana", "schedule": MINUTE, **changes})


def account(**paths: Any) -> GoogleAccount:
    return GoogleAccount(id="ana@example.com", agent_id="ana", **paths)


def tool(**changes: Any) -> Tool:
    return Tool(**{"name": "look", "description": "", "parameters": {}, "handler": print, **changes})


@pytest.mark.parametrize(
    ("make", "fields", "said"),
    [
        (Every, {"interval": 60}, f"interval {A_TIME}60)"),
        (Every, {"interval": timedelta(1), "jitter": 5}, f"jitter {A_TIME}5)"),
        (
            Cron,
            {"expression": "0 0 9 * * *", "zone": "Europe/Berlin"},
            'zone must be ZoneInfo, not str; write ZoneInfo("Europe/Berlin")',
        ),
        (Settings, {"tick_timeout": 5}, f"tick_timeout {A_TIME}60)"),
        (Settings, {"max_concurrent_ticks": "8"}, "max_concurrent_ticks must be int, not str"),
        (Settings, {"lease_ttl_factor": "2"}, "lease_ttl_factor must be int or float, not str"),
        (RetrySettings, {"initial_backoff": 1}, f"initial_backoff {A_TIME}60)"),
        (
            job,
            {"schedule": {"every_secs": 60}},
            "schedule must be Every or Cron or At, not dict; write Every(timedelta(seconds=60))",
        ),
        (RetrySettings, {"multiplier": "2"}, "multiplier must be int or float, not str"),
        (
            ProviderSettings,
            {"name": "x", "requests_per_second": "2"},
            "requests_per_second must be int or float, not str",
        ),
        (job, {"failure_to": "telegram"}, "failure_to must be Deliver, not str"),
        (job, {"stale_after": 3600}, f"stale_after {A_TIME}60)"),
        (job, {"misfire": "runn"}, "misfire must be one of 'run', 'skip'"),
        (BrokerSettings, {"type": "natz"}, "type must be one of 'local', 'nats'"),
        (ProviderSettings, {"name": "x", "api_flavor": "openai"}, "api_flavor must be one of 'openai_compat', "),
        (
            AdminSettings,
            {"bind": "127.0.0.1:9091"},
            'bind must be TcpBind or UnixBind, not str; write TcpBind("127.0.0.1", 9091)',
        ),
        (AdminSettings, {"hosts": "ops.example"}, SEVERAL),
        (AdminSettings, {"hosts": (5,)}, "hosts must be str, not int"),
        (Rules, {"hosts": "ops.example"}, SEVERAL),
        (Config, {"settings": {"enabled": True}}, "settings must be Settings, not dict"),
        (Config, {"jobs": ("inbox",)}, "jobs must be JobSpec, not str"),
        (TickMetrics, {"items_seen": "3"}, "items_seen must be int, not str"),
        (tool, {"timeout": 5}, f"timeout {A_TIME}60)"),
    ],
)
def test_a_slip_is_named_with_what_to_write_instead(
    make: Callable[..., object], fields: Mapping[str, Any], said: str
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make(**fields)
    assert str(caught.value).startswith(said)


def test_a_key_in_the_place_of_a_word_is_not_shown() -> None:
    misplaced: Any = "sk-hunter2"
    with pytest.raises(ValueError, match=r"^api_flavor must be one of 'openai_compat', 'anthropic_messages'$"):
        ProviderSettings(name="x", api_flavor=misplaced)


@pytest.mark.parametrize("make", [AdminSettings, Rules])
def test_what_was_given_is_not_shown(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match=r"^token must be str, not bytes$"):
        make(token=b"hunter2hunter2")


@pytest.mark.parametrize("make", [Cron, lambda expression: parse_schedule({"cron": expression})])
def test_a_cron_that_is_no_text_is_told_how_to_write_one(make: Callable[[Any], object]) -> None:
    with pytest.raises(ConfigError, match=r'^cron is 5 \(write it as "sec min hour dom mon dow"\)$'):
        make(5)


def test_an_empty_token_which_anybody_could_show_is_refused() -> None:
    for slip in (AdminSettings, Rules):
        with pytest.raises(ConfigError, match="the token is empty"):
            slip(token="")


def test_jobs_made_in_code_have_ids_as_those_of_a_file_have_them() -> None:
    with pytest.raises(ConfigError, match="the id 'a/b' is not allowed"):
        job(id="a/b")
    with pytest.raises(ConfigError, match=r"^two jobs have the id 'inbox' \(give each its own\)$"):
        Config(jobs=(job(), job(id="other"), job()))


def test_what_can_only_mean_one_thing_is_taken() -> None:
    assert Settings(state_db="jobs.db") == Settings(state_db=Path("jobs.db"))
    paths = {"client_id_path": "id", "client_secret_path": "secret", "token_path": "token"}
    assert account(**paths) == account(**{name: Path(path) for name, path in paths.items()})
    for several in (["ops.example"], {"ops.example"}, ("ops.example",)):
        assert AdminSettings(hosts=several).hosts == ("ops.example",)
    assert Rules(hosts=["Ops.Example"]).hosts == frozenset({"ops.example"})
    assert Every(timedelta(hours=1), anchor=datetime(2026, 1, 1, tzinfo=UTC)).interval == timedelta(hours=1)
