"""`nexo-poller list`: every job of a daemon, a line each."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.how_it_is import note_on, state_of
from nexo_poller.cli.moments import since, until
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import Cell, Column, print_json, print_table

COLUMNS: Final = (
    Column("ID"),
    Column("KIND", rank=4),
    Column("AGENT", rank=5),
    Column("STATE"),
    Column("ERRORS", "right", rank=1),
    Column("LAST RUN", rank=3),
    Column("NEXT RUN", rank=2),
    Column("NOTE", flexible=True),
)


@click.command("list")
@json_option
@daemon_option
def command(daemon: Daemon, as_json: bool) -> None:
    """List every job: how it is, when it ran, when it will run, and what is wrong with it.

    ERRORS counts failed ticks since the last good one.
    """
    jobs = daemon.ask("GET", "/admin/pollers")
    if as_json:
        print_json(jobs)
        return
    now = datetime.now(UTC)
    print_table(COLUMNS, [_row(job, now) for job in jobs], if_empty="there are no jobs")


def _row(job: Mapping[str, Any], now: datetime) -> tuple[Cell, ...]:
    return (
        job["id"],
        job["kind"],
        job["agent"],
        state_of(job),
        str(job["consecutive_errors"]),
        since(job["last_run_at_ms"], now),
        "-" if job["paused"] else until(job["next_run_at_ms"], now),
        note_on(job),
    )
