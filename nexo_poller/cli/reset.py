"""`nexo-poller reset ID`: let a job start over."""

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.job_id import job_argument, job_path
from nexo_poller.cli.options import json_option, yes_option
from nexo_poller.cli.printing import print_json


@click.command("reset")
@job_argument
@yes_option("deletes the cursor of the job for good")
@json_option
@daemon_option
def command(daemon: Daemon, job_id: str, as_json: bool) -> None:
    """Delete cursor and errors of the job ID, and resume it: it starts over, and may send again what it has sent.

    The cursor does not come back; `nexo-poller cursor show ID` shows it while it is there.
    """
    answer = daemon.ask("POST", job_path(job_id, "reset"))
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{job_id} starts over")
