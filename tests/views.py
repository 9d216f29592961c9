"""Jobs and ticks as a runner tells of them, where a test says only what matters to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nexo_poller.runner.views import JobView
from nexo_poller.state import Status
from nexo_poller.store import TickRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def job(id: str = "inbox", **changes: Any) -> JobView:  # noqa: A002 - as the file calls it
    return JobView(**{"id": id, "kind": "rss", "agent": "ana", **changes})


def tick(status: Status = "ok", duration_ms: int = 100) -> TickRecord:
    return TickRecord(fence=1, slot=NOON, started_at=NOON, duration=timedelta(milliseconds=duration_ms), status=status)
