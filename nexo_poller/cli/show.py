"""`nexo-poller show ID`: everything about one job."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.how_it_is import state_of
from nexo_poller.cli.job_id import job_argument, job_path
from nexo_poller.cli.moments import since, until
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import Cell, print_facts, print_json
from nexo_poller.words import counted, span, took


@click.command("show")
@job_argument
@json_option
@daemon_option
def command(daemon: Daemon, job_id: str, as_json: bool) -> None:
    """Show everything about the job ID: how it is, what it is doing, and how it is configured, secrets masked."""
    job = daemon.ask("GET", job_path(job_id))
    if as_json:
        print_json(job)
    else:
        print_facts([*_identity(job), *([] if job["rejected"] else _facts(job, datetime.now(UTC)))])


def _identity(job: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    yield "id", job["id"]
    yield "kind", job["kind"]
    yield "agent", job["agent"]
    yield "state", state_of(job)
    for problem in job["problems"]:
        yield "problem", problem


def _facts(job: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, Cell]]:
    if job["paused"]:
        yield "paused", job["pause_reason"]
    yield "last run", f"{since(job['last_run_at_ms'], now)}  {job['last_status'] or ''}".rstrip()
    yield "last success", since(job["last_success_at_ms"], now)
    if job["stale_after_ms"] is not None:
        limit = span(timedelta(milliseconds=job["stale_after_ms"]))
        yield "stale after", f"{limit} without success" + (", which is so now" if job["stale"] else "")
    yield "next run", "-" if job["paused"] else until(job["next_run_at_ms"], now)
    yield "errors in a row", f"{job['consecutive_errors']}, breaker {job['breaker']}"
    if job["last_error"]:
        yield "last error", job["last_error"]
    yield "items", f"{job['items_seen_total']} seen, {job['items_dispatched_total']} dispatched"
    yield "messages waiting", str(job["pending_messages"])
    yield "lease", _lease(job["lease"], now)
    yield "fence", str(job["fence"])
    yield "cursor", _cursor(job["cursor"]) if job["cursor"] else "-"
    yield "schedule", _compact(job["schedule"])
    yield "jitter", took(timedelta(milliseconds=job["jitter_ms"]))
    yield "misfire", job["misfire"]
    yield "failure_to", _compact(job["failure_to"]) if job["failure_to"] else "-"
    yield "config", json.dumps(job["config"], indent=2, ensure_ascii=False)
    if job["extra"]:
        yield "extra", json.dumps(job["extra"], indent=2, ensure_ascii=False)


def _lease(lease: Mapping[str, Any] | None, now: datetime) -> str:
    return f"{lease['holder']}, runs out {until(lease['expires_at_ms'], now)}" if lease else "-"


def _cursor(cursor: Mapping[str, Any]) -> str:
    return f"{counted(cursor['size'], 'byte')}, digest {cursor['digest']}"


def _compact(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {part}" for name, part in value.items())
