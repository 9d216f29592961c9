"""What a runner tells, as JSON: plain mappings, times in integer milliseconds since the epoch.

The admin server and the tools speak in these same shapes. Strings are masked by whoever lets them out (O2).
"""

import json
from typing import Any, Final

from nexo_poller.broker import Message
from nexo_poller.plan import ReloadPlan
from nexo_poller.runner.condition import condition
from nexo_poller.runner.outcome import DryRun, TickReport
from nexo_poller.runner.views import JobDetails, JobView
from nexo_poller.store import DeadLetter, Pending, TickRecord
from nexo_poller.store.rows import MILLISECOND, to_ms

LONGEST_BODY: Final = 16_384  # bytes


def job_summary(view: JobView) -> dict[str, Any]:
    """A job in a list. A rejected one has `problems`, and nothing in its other fields."""
    return {
        "id": view.id,
        "kind": view.kind,
        "agent": view.agent,
        "state": condition(view),
        "paused": view.paused,
        "pause_reason": view.pause_reason,
        "last_run_at_ms": to_ms(view.last_run_at),
        "next_run_at_ms": to_ms(view.next_run_at),
        "last_success_at_ms": to_ms(view.last_success_at),
        "last_status": view.last_status,
        "last_error": view.last_error,
        "consecutive_errors": view.consecutive_errors,
        "breaker": view.breaker.name.lower().replace("_", "-"),
        "stale": view.stale,
        "items_seen_total": view.items_seen_total,
        "items_dispatched_total": view.items_dispatched_total,
        "pending_messages": view.pending_messages,
        "rejected": view.is_rejected,
        "problems": [*map(str, view.problems)],
    }


def job_details(job: JobDetails) -> dict[str, Any]:
    """One job in full: its summary, and how it is configured. `cursor` and `lease` are None where there is none."""
    return {
        **job_summary(job.view),
        "config": job.config,
        "extra": job.extra,
        "schedule": job.schedule,
        "jitter_ms": None if job.jitter is None else job.jitter // MILLISECOND,
        "misfire": job.misfire,
        "stale_after_ms": None if job.stale_after is None else job.stale_after // MILLISECOND,
        "failure_to": job.failure_to and {"channel": job.failure_to.channel, "to": job.failure_to.to},
        "fence": job.fence,
        "lease": job.holder and {"holder": job.holder, "expires_at_ms": to_ms(job.lease_expires_at)},
        "cursor": None if job.cursor_size is None else {"size": job.cursor_size, "digest": job.cursor_digest},
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


def pending_message(pending: Pending) -> dict[str, Any]:
    """A message on its way."""
    return {
        "id": pending.seq,
        "job_id": pending.job_id,
        **_message(pending.message),
        "attempts": pending.attempts,
        "created_at_ms": to_ms(pending.created_at),
        "not_before_ms": to_ms(pending.not_before),
    }


def dead_letter(dead: DeadLetter) -> dict[str, Any]:
    """A message that was refused too often, and what was said of it last."""
    return {
        "id": dead.seq,
        "job_id": dead.job_id,
        **_message(dead.message),
        "attempts": dead.attempts,
        "error": dead.error,
        "died_at_ms": to_ms(dead.died_at),
    }


def reload_plan(plan: ReloadPlan) -> dict[str, Any]:
    """What a reload does, or would do: sorted ids."""
    return {"add": plan.add, "replace": plan.replace, "remove": plan.remove, "keep": plan.keep}


def _message(message: Message) -> dict[str, Any]:
    """`payload` is None where it is too long to be looked at."""
    is_short = len(message.body) <= LONGEST_BODY
    return {
        "event_id": message.id,
        "topic": message.topic,
        "payload": json.loads(message.body)["payload"] if is_short else None,
        "bytes": len(message.body),
    }
