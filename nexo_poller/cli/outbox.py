"""`nexo-poller outbox`: messages on their way."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.messages import gist, hint_at_more
from nexo_poller.cli.moments import since, until
from nexo_poller.cli.options import json_option, page_options
from nexo_poller.cli.printing import Cell, Column, print_json, print_table

COLUMNS: Final = (
    Column("ID", "right"),
    Column("JOB"),
    Column("TOPIC", rank=3),
    Column("COMMITTED", rank=1),
    Column("NOT BEFORE", rank=2),
    Column("REFUSALS", "right", rank=4),
    Column("TEXT", flexible=True),
)


@click.command("outbox")
@page_options
@json_option
@daemon_option
def command(daemon: Daemon, limit: int, after: int, as_json: bool) -> None:
    """List the messages that wait to be delivered, in the order in which their ticks committed them."""
    messages = daemon.ask("GET", "/admin/outbox", query={"limit": limit, "after": after})
    if as_json:
        print_json(messages)
        return
    now = datetime.now(UTC)
    print_table(COLUMNS, [_row(message, now) for message in messages], if_empty="nothing waits")
    hint_at_more(messages, limit)


def _row(message: Mapping[str, Any], now: datetime) -> tuple[Cell, ...]:
    return (
        str(message["id"]),
        message["job_id"],
        message["topic"],
        since(message["created_at_ms"], now),
        until(message["not_before_ms"], now),
        str(message["attempts"]),
        gist(message),
    )
