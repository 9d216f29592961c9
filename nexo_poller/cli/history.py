"""`nexo-poller history ID`: a job's latest ticks."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from rich.text import Text

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.job_id import job_argument, job_path
from nexo_poller.cli.moments import since
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import Cell, Column, print_json, print_table
from nexo_poller.words import took

COLUMNS: Final = (
    Column("STARTED"),
    Column("STATUS"),
    Column("TOOK", "right", rank=1),
    Column("SEEN", "right", rank=3),
    Column("DISPATCHED", "right", rank=4),
    Column("MESSAGES", "right", rank=2),
    Column("ERROR", flexible=True),
)


@click.command("history")
@job_argument
@click.option("-n", "limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many ticks.")
@json_option
@daemon_option
def command(daemon: Daemon, job_id: str, limit: int, as_json: bool) -> None:
    """Show the latest ticks of the job ID, newest first."""
    ticks = daemon.ask("GET", job_path(job_id, "history"), query={"limit": limit})
    if as_json:
        print_json(ticks)
        return
    now = datetime.now(UTC)
    print_table(COLUMNS, [_row(tick, now) for tick in ticks], if_empty="the job has never run")


def _row(tick: Mapping[str, Any], now: datetime) -> tuple[Cell, ...]:
    return (
        since(tick["started_at_ms"], now),
        status(tick["status"]),
        took(timedelta(milliseconds=tick["duration_ms"])),
        str(tick["items_seen"]),
        str(tick["items_dispatched"]),
        str(tick["messages"]),
        tick["error"] or "",
    )


def status(word: str) -> Text:
    """The word, in the colour of what it means."""
    return Text(word, "green" if word == "ok" else "red")
