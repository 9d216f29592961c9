"""`nexo-poller tail`: what a daemon does, as it does it."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.job_id import JobId, job_path
from nexo_poller.cli.printing import print_json
from nexo_poller.cli.reload import CHANGES
from nexo_poller.cli.running import run
from nexo_poller.logs import escape
from nexo_poller.store.rows import moment
from nexo_poller.words import counted, took

INTERRUPTED: Final = 130

Show = Callable[[str, Mapping[str, Any]], None]


@click.command("tail")
@click.argument("job_id", metavar="[ID]", type=JobId(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@daemon_option
@click.pass_context
def command(context: click.Context, daemon: Daemon, job_id: str | None, as_json: bool) -> None:
    """Follow ticks, deliveries, changes of state and reloads as they happen, a line each, until Ctrl-C.

    With ID, only what concerns this job. Who reads too slowly loses events, and is told how many.
    """
    try:
        run(follow, daemon, job_id, show_json if as_json else show_line)
    except KeyboardInterrupt:
        context.exit(INTERRUPTED)


async def follow(daemon: Daemon, job_id: str | None, show: Show) -> None:
    """Show every event, or those of one job. Raises `NoDaemon` when there are no more."""
    async with daemon.connected() as connection:
        if job_id is not None:
            await connection.ask("GET", job_path(job_id))  # or a job that is not there would look like an idle one
        async with aclosing(connection.events(job_id)) as events:
            async for kind, data in events:
                show(kind, data)


def show_json(kind: str, data: Mapping[str, Any]) -> None:
    """`{"event": "tick", …}`, with all that is told of it."""
    print_json({"event": kind, **data})


def show_line(kind: str, data: Mapping[str, Any]) -> None:
    """`12:03:45  tick      inbox  ok  140 ms  2 seen, 1 dispatched, 1 message`, in local time."""
    at = f"{moment(data['at_ms']).astimezone():%H:%M:%S}"
    parts = (at, f"{kind:8}", data.get("job_id"), *parts_of(kind, data))
    click.echo(escape("  ".join(part for part in parts if part)))


def parts_of(kind: str, data: Mapping[str, Any]) -> Sequence[str | None]:
    """What is worth a line's width, and None for what there is nothing of."""
    match kind:
        case "tick":
            items = f"{data['items_seen']} seen, {data['items_dispatched']} dispatched"
            what = f"{items}, {counted(data['messages'], 'message')}"
            return data["status"], took(timedelta(milliseconds=data["duration_ms"])), what, data["error"]
        case "delivery":
            return data["outcome"], data["topic"], data["error"]
        case "state":
            return data["change"], data["reason"]
        case "reload":
            return [f"{change} {', '.join(data[change])}" for change in CHANGES if data[change]]
        case "lost":
            return [f"{counted(data['count'], 'event')}: this reader is too slow"]
        case _:
            return [json.dumps(data)]
