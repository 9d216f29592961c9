"""What a runner tells, as JSON: plain mappings, times in integer milliseconds since the epoch.

The admin server and the tools speak in these same shapes. Strings are masked by whoever lets them out (O2).
"""

import json
from typing import Any

from nexo_poller.runner.outcome import DryRun, TickReport
from nexo_poller.runner.views import JobView
from nexo_poller.store import TickRecord
from nexo_poller.store.rows import MILLISECOND, to_ms


def job_summary(view: JobView) -> dict[str, Any]:
    """A job in a list. A rejected one has `problems`, and nothing in its other fields."""
    return {
        "id": view.id,
        "kind": view.kind,
        "agent": view.agent,
        "paused": view.paused,
        "pause_reason": view.pause_reason,
        "last_run_at_ms": to_ms(view.last_run_at),
        "next_run_at_ms": to_ms(view.next_run_at),
        "last_success_at_ms": to_ms(view.last_success_at),
        "last_status": view.last_status,
        "last_error": view.last_error,
        "consecutive_errors": view.consecutive_errors,
        "breaker": view.breaker.name.lower().replace("_", "-"),
        "items_seen_total": view.items_seen_total,
        "items_dispatched_total": view.items_dispatched_total,
        "pending_messages": view.pending_messages,
        "rejected": view.is_rejected,
        "problems": [*map(str, view.problems)],
    }


def tick_record(tick: TickRecord) -> dict[str, Any]:
    """A line of a job's history; `slot_ms` is when it was due."""
    return {
        "fence": tick.fence,
        "slot_ms": to_ms(tick.slot),
        "started_at_ms": to_ms(tick.started_at),
        "duration_ms": tick.duration // MILLISECOND,
        "status": tick.status,
        "error": tick.error,
        "items_seen": tick.items_seen,
        "items_dispatched": tick.items_dispatched,
        "messages": tick.messages,
    }


def tick_report(report: TickReport) -> dict[str, Any]:
    """What a run by hand came to; `deliveries` counts the messages committed."""
    return {
        "ok": report.error is None,
        "status": report.status,
        "items_seen": report.items_seen,
        "items_dispatched": report.items_dispatched,
        "deliveries": report.deliveries,
        "error": report.error,
    }


def dry_run(run: DryRun) -> dict[str, Any]:
    """What a tick would have done: as a run's, with the messages it would have sent."""
    return {
        "ok": run.error is None,
        "status": run.status,
        "items_seen": run.items_seen,
        "items_dispatched": run.items_dispatched,
        "deliveries": len(run.outgoing),
        "messages": [
            {
                "topic": outgoing.message.topic,
                "payload": json.loads(outgoing.message.body)["payload"],
                "not_before_ms": to_ms(outgoing.not_before),
            }
            for outgoing in run.outgoing
        ],
        "error": run.error,
    }
