"""What each key of the file means, in a line, for editors and for the reference."""

from collections.abc import Mapping
from typing import Final

from nexo_poller.config.accounts import (
    GoogleAccountEntry,
    GoogleAuthSection,
    ProviderEntry,
    RateLimitEntry,
    RetryEntry,
)
from nexo_poller.config.sections import (
    AdminSection,
    AgentEntry,
    BrokerAuthEntry,
    BrokerSection,
    File,
    JobEntry,
    PluginsSection,
    PollersSection,
)

OF_OTHERS: Final = "For other programs; ignored."

MEANINGS: Final[Mapping[type, Mapping[str, str]]] = {
    File: {
        "pollers": "The jobs, and what holds for all of them.",
        "admin": "Where the admin server listens, and whom it answers.",
        "agents": "For whom jobs run, and the accounts that each may use.",
        "plugins": "Where kinds are found that are programs of their own.",
        "broker": "Who takes messages on: this process, or a NATS server.",
        "channels": "Where messages go, by `<channel>.<instance>`, `<channel>` or `*`: `stdout`, an http(s):// URL that gets "
        "each event as a POST, or an Apprise URL. Not with NATS.",
        "google_auth": "The accounts at Google.",
        "providers": "The providers of language models, by the names that jobs use.",
        "retry": "For providers without a `retry` of their own.",
        "schema_version": OF_OTHERS,
    },
    PollersSection: {
        "enabled": "false: nothing runs.",
        "state_db": "The SQLite file, made if missing; relative to the working directory.",
        "default_jitter_ms": "Jobs of one slot start spread over so many milliseconds.",
        "lease_ttl_factor": "How many intervals a lease lasts, but at least 30 s and at most the tick's timeout and 30 s.",
        "failure_alert_cooldown_secs": "The least time between two alerts of a job.",
        "breaker_threshold": "Errors in a row that raise the alert and open the breaker.",
        "max_concurrent_ticks": "Ticks at once, of all jobs.",
        "tick_timeout_secs": "A tick is cut then; a job may say its own.",
        "history_per_job": "Ticks remembered.",
        "max_pending_per_job": "Undelivered messages at which a job's slots are skipped.",
        "max_delivery_attempts": "Refusals after which a message becomes a dead letter.",
        "jobs": "What to poll. A faulty entry is rejected, and its siblings run.",
    },
    JobEntry: {
        "id": "Unique; of letters, digits, `_`, `.` and `-`, at most 128. Its state is kept under it.",
        "kind": "What to poll: one of those that come with it, of an installed distribution, or of a plugin.",
        "agent": "For whom. Its accounts are the ones that the job uses.",
        "schedule": "When the job is due: every so often, by the calendar, or once.",
        "config": "How; the keys are the kind's own.",
        "failure_to": "Whom to tell when errors reach `breaker_threshold`, when a permanent error pauses the job, and when it is stale; "
        "without it, the log.",
        "paused_on_boot": "Begin paused, at every start.",
        "misfire": "What becomes of slots that were missed: one tick for all of them, or none.",
        "tick_timeout_secs": "A tick is cut then; else `pollers.tick_timeout_secs`.",
        "stale_after_secs": "Raise the alert after so long without a success, though nothing failed.",
        "extra": "Anything, for you; a change of it does not restart the job.",
    },
    AdminSection: {
        "bind": "`HOST:PORT`, or `unix:PATH` relative to the working directory.",
        "token": "What callers must show; needed where others than this machine can call. Best as `${file:./admin.token}`.",
        "hosts": "Further names by which callers may call.",
    },
    AgentEntry: {
        "id": "As jobs name it.",
        "credentials": "The account on each channel, and under `google` the one there.",
    },
    PluginsSection: {
        "search_paths": "Folders of plugins, or their manifests; `*` stands for any name. Relative to this file.",
    },
    BrokerSection: {
        "type": "`local` delivers by itself, as `channels` says.",
        "url": "The NATS server.",
        "auth": "With which key to log in there.",
    },
    BrokerAuthEntry: {
        "enabled": "Whether to log in.",
        "nkey_file": "The file with the seed of an NKey, relative to this file.",
    },
    GoogleAuthSection: {"accounts": "One for each account."},
    GoogleAccountEntry: {
        "id": "As agents' `credentials` name it under `google`.",
        "agent_id": "The agent that may use it.",
        "client_id_path": "The file with the OAuth client's id.",
        "client_secret_path": "The file with the OAuth client's secret.",
        "token_path": "The file that `nexo-poller google login` writes the token to.",
        "scopes": "What the token allows, such as `gmail.modify`.",
    },
    RetryEntry: {
        "max_attempts": "Requests for one answer.",
        "initial_backoff_ms": "The first wait.",
        "max_backoff_ms": "The longest wait.",
        "backoff_multiplier": "How many times longer each wait is than the one before.",
    },
    RateLimitEntry: {
        "requests_per_second": "Of all jobs together, evenly spaced.",
        "quota_alert_threshold": OF_OTHERS,
    },
    ProviderEntry: {
        "api_key": "Best as `${VAR}` or `${file:…}`.",
        "base_url": "Where it is asked; needed unless the name begins with `openai` or `anthropic`.",
        "api_flavor": "The wire that it speaks: `anthropic_messages` for the provider `anthropic`, else `openai_compat`.",
        "rate_limit": "How often it is asked.",
        "retry": "How often it is asked again.",
        **dict.fromkeys(
            ("group_id", "auth", "embedding_model", "safety_settings", "factory_type", "api_key_secret_id"), OF_OTHERS
        ),
    },
}
