"""`nexo-poller resume ID`: let a job's schedule go on."""

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.job_id import job_argument, job_path
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import print_json


@click.command("resume")
@job_argument
@json_option
@daemon_option
def command(daemon: Daemon, job_id: str, as_json: bool) -> None:
    """Let the schedule of the job ID go on. Refused for a job whose one moment has passed: `reset` arms it again."""
    answer = daemon.ask("POST", job_path(job_id, "resume"))
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{job_id} goes on" if answer["changed"] else f"{job_id} was not paused")
