"""Durable polling jobs on Trio.

A job says what to poll, for whom, when, and where the result goes; a poller is the code behind a kind; `PollerRunner`
does the rest: schedules, leases, cursors, deliveries that are neither lost nor repeated, backoff, alerts.
"""

from typing import TYPE_CHECKING, Final

from nexo_poller.clock import Clock, SystemClock
from nexo_poller.errors import (
    BrokerAway,
    BrokerError,
    BrokerUnavailable,
    ConfigError,
    CredentialsMissing,
    DeadLetterUnknown,
    HostError,
    HostHeld,
    JobRefused,
    JobUnknown,
    LeaseLost,
    MessageRejected,
    NexoPollerError,
    NoAnswer,
    PermanentError,
    PluginPollerForwardError,
    PollerRouteRegistrationError,
    Problem,
    StoreError,
    StoreRefused,
    TickError,
    ToolError,
    ToolUnknown,
    TransientError,
    Unrouted,
)
from nexo_poller.on_demand import on_demand
from nexo_poller.poller import (
    Deliver,
    LlmInvokeRequest,
    LlmInvokeResponse,
    LlmProvider,
    OutboundDelivery,
    PollContext,
    Poller,
    PollerHost,
    TickAck,
    TickMetrics,
)
from nexo_poller.schedule import At, Cron, Every, parse_schedule
from nexo_poller.tool import Tool

if TYPE_CHECKING:
    from nexo_poller.breaker import Breaker
    from nexo_poller.broker import Broker, Event, Message
    from nexo_poller.broker.local import LocalBroker
    from nexo_poller.config.binds import TcpBind, UnixBind
    from nexo_poller.config.model import (
        AdminSettings,
        BrokerSettings,
        Config,
        GoogleAccount,
        JobSpec,
        ProviderSettings,
        RejectedJob,
        RetrySettings,
        Settings,
    )
    from nexo_poller.config.plugins import PluginManifest
    from nexo_poller.config.reading import load_config
    from nexo_poller.credentials import Credentials
    from nexo_poller.plan import ReloadPlan
    from nexo_poller.runner.events import RunnerEvent
    from nexo_poller.runner.metrics import Metrics
    from nexo_poller.runner.outcome import DryRun, TickReport
    from nexo_poller.runner.prometheus import PrometheusMetrics
    from nexo_poller.runner.runner import PollerRunner
    from nexo_poller.runner.views import JobDetails, JobView
    from nexo_poller.store import Batch, DeadLetter, Pending, Store, StoreStatistics, TickRecord
    from nexo_poller.store.sqlite import SqliteStore

__all__ = [
    "AdminSettings",
    "At",
    "Batch",
    "Breaker",
    "Broker",
    "BrokerAway",
    "BrokerError",
    "BrokerSettings",
    "BrokerUnavailable",
    "Clock",
    "Config",
    "ConfigError",
    "Credentials",
    "CredentialsMissing",
    "Cron",
    "DeadLetter",
    "DeadLetterUnknown",
    "Deliver",
    "DryRun",
    "Event",
    "Every",
    "GoogleAccount",
    "HostError",
    "HostHeld",
    "JobDetails",
    "JobRefused",
    "JobSpec",
    "JobUnknown",
    "JobView",
    "LeaseLost",
    "LlmInvokeRequest",
    "LlmInvokeResponse",
    "LlmProvider",
    "LocalBroker",
    "Message",
    "MessageRejected",
    "Metrics",
    "NexoPollerError",
    "NoAnswer",
    "OutboundDelivery",
    "Pending",
    "PermanentError",
    "PluginManifest",
    "PluginPollerForwardError",
    "PollContext",
    "Poller",
    "PollerHost",
    "PollerRouteRegistrationError",
    "PollerRunner",
    "Problem",
    "PrometheusMetrics",
    "ProviderSettings",
    "RejectedJob",
    "ReloadPlan",
    "RetrySettings",
    "RunnerEvent",
    "Settings",
    "SqliteStore",
    "Store",
    "StoreError",
    "StoreRefused",
    "StoreStatistics",
    "SystemClock",
    "TcpBind",
    "TickAck",
    "TickError",
    "TickMetrics",
    "TickRecord",
    "TickReport",
    "Tool",
    "ToolError",
    "ToolUnknown",
    "TransientError",
    "UnixBind",
    "Unrouted",
    "load_config",
    "parse_schedule",
]


# What runs jobs, and not what a poller is made of: a plugin, which may be started for every tick, waits for none of it.
_HOMES: Final = {
    "AdminSettings": "nexo_poller.config.model",
    "Batch": "nexo_poller.store",
    "Breaker": "nexo_poller.breaker",
    "Broker": "nexo_poller.broker",
    "BrokerSettings": "nexo_poller.config.model",
    "Config": "nexo_poller.config.model",
    "Credentials": "nexo_poller.credentials",
    "DeadLetter": "nexo_poller.store",
    "DryRun": "nexo_poller.runner.outcome",
    "Event": "nexo_poller.broker",
    "GoogleAccount": "nexo_poller.config.model",
    "JobDetails": "nexo_poller.runner.views",
    "JobSpec": "nexo_poller.config.model",
    "JobView": "nexo_poller.runner.views",
    "LocalBroker": "nexo_poller.broker.local",
    "Message": "nexo_poller.broker",
    "Metrics": "nexo_poller.runner.metrics",
    "Pending": "nexo_poller.store",
    "PluginManifest": "nexo_poller.config.plugins",
    "PollerRunner": "nexo_poller.runner.runner",
    "PrometheusMetrics": "nexo_poller.runner.prometheus",
    "ProviderSettings": "nexo_poller.config.model",
    "RejectedJob": "nexo_poller.config.model",
    "ReloadPlan": "nexo_poller.plan",
    "RetrySettings": "nexo_poller.config.model",
    "RunnerEvent": "nexo_poller.runner.events",
    "Settings": "nexo_poller.config.model",
    "SqliteStore": "nexo_poller.store.sqlite",
    "Store": "nexo_poller.store",
    "StoreStatistics": "nexo_poller.store",
    "TcpBind": "nexo_poller.config.binds",
    "TickRecord": "nexo_poller.store",
    "TickReport": "nexo_poller.runner.outcome",
    "UnixBind": "nexo_poller.config.binds",
    "load_config": "nexo_poller.config.reading",
}


if not TYPE_CHECKING:
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
