"""Durable polling jobs on Trio.

A job says what to poll, for whom, when, and where the result goes; a poller is the code behind a kind; `PollerRunner`
does the rest: schedules, leases, cursors, deliveries that are neither lost nor repeated, backoff, alerts.
"""

from typing import TYPE_CHECKING, Any

from nexo_poller.breaker import Breaker
from nexo_poller.broker import Broker, Event, Message
from nexo_poller.broker.local import LocalBroker
from nexo_poller.clock import Clock, SystemClock
from nexo_poller.config.model import Config, GoogleAccount, JobSpec, ProviderSettings, RejectedJob, Settings
from nexo_poller.credentials import Credentials
from nexo_poller.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigError,
    CredentialsMissing,
    HostError,
    HostHeld,
    JobRefused,
    JobUnknown,
    LeaseLost,
    MessageRejected,
    NexoPollerError,
    PermanentError,
    Problem,
    StoreError,
    StoreRefused,
    TickError,
    ToolError,
    ToolUnknown,
    TransientError,
    Unrouted,
)
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
from nexo_poller.runner.events import RunnerEvent
from nexo_poller.runner.metrics import Metrics
from nexo_poller.runner.outcome import DryRun, TickReport
from nexo_poller.runner.prometheus import PrometheusMetrics
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.runner.views import JobView
from nexo_poller.schedule import At, Cron, Every, parse_schedule
from nexo_poller.store import Batch, Store, StoreStatistics, TickRecord
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.tool import Tool

if TYPE_CHECKING:
    from nexo_poller.config.reading import load_config as load_config

__all__ = [
    "At",
    "Batch",
    "Breaker",
    "Broker",
    "BrokerError",
    "BrokerUnavailable",
    "Clock",
    "Config",
    "ConfigError",
    "Credentials",
    "CredentialsMissing",
    "Cron",
    "Deliver",
    "DryRun",
    "Event",
    "Every",
    "GoogleAccount",
    "HostError",
    "HostHeld",
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
    "OutboundDelivery",
    "PermanentError",
    "PollContext",
    "Poller",
    "PollerHost",
    "PollerRunner",
    "Problem",
    "PrometheusMetrics",
    "ProviderSettings",
    "RejectedJob",
    "RunnerEvent",
    "Settings",
    "SqliteStore",
    "Store",
    "StoreError",
    "StoreRefused",
    "StoreStatistics",
    "SystemClock",
    "TickAck",
    "TickError",
    "TickMetrics",
    "TickRecord",
    "TickReport",
    "Tool",
    "ToolError",
    "ToolUnknown",
    "TransientError",
    "Unrouted",
    "load_config",
    "parse_schedule",
]


def __getattr__(name: str) -> Any:
    """`load_config`, which brings the YAML half of the configuration along, when it is first asked for."""
    if name != "load_config":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nexo_poller.config.reading import load_config

    return load_config
