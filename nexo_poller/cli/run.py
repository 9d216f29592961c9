"""`nexo-poller run ID`: a tick now."""

import click

from nexo_poller.cli.daemon import NO_DEADLINE, Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.job_id import job_argument, job_path
from nexo_poller.cli.messages import lines_of, summary
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import print_json


@click.command("run")
@job_argument
@click.option("--dry-run", is_flag=True, help="Send and save nothing; show the messages it would send.")
@json_option
@daemon_option
def command(daemon: Daemon, job_id: str, dry_run: bool, as_json: bool) -> None:
    """Run one tick of the job ID now, due or not, paused or not, and send what it finds.

    Schedule and pause stay as they are. Exits with 1 if the tick fails. Ctrl-C ends the waiting, and not the tick.
    """
    query = {"dry_run": "true"} if dry_run else None
    report = daemon.ask("POST", job_path(job_id, "run"), query=query, patience_secs=NO_DEADLINE)
    if as_json:
        print_json(report)
        return
    click.echo(summary(report["items_seen"], report["deliveries"], "would be sent" if dry_run else "on the way"))
    for line in lines_of((message["topic"], message["payload"]) for message in report.get("messages", ())):
        click.echo(line)
