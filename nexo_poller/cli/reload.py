"""`nexo-poller reload`: the file as it is now."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from nexo_poller.cli.daemon import NO_DEADLINE, Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import print_json

CHANGES: Final = ("add", "replace", "remove")


@click.command("reload")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
@daemon_option
def command(daemon: Daemon, dry_run: bool, as_json: bool) -> None:
    """Let the daemon read its file again, and add, replace and remove jobs until it runs what stands there.

    All or nothing: if anything is wrong with the file, every problem is shown, and nothing changes. Jobs that are kept
    don't notice.
    """
    query = {"dry_run": "true"} if dry_run else None
    plan = daemon.ask("POST", "/admin/pollers/reload", query=query, patience_secs=NO_DEADLINE)
    if as_json:
        print_json(plan)
        return
    for line in _lines(plan):
        click.echo(line)


def _lines(plan: Mapping[str, Any]) -> Iterator[str]:
    for change in CHANGES:
        yield from (f"{change:7}  {job_id}" for job_id in plan[change])
    counts = ", ".join(f"{change} {len(plan[change])}" for change in CHANGES)
    yield f"{counts}, keep {len(plan['keep'])}"
