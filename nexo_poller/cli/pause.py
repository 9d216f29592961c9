"""`nexo-poller pause ID`: stop a job's schedule."""

import os
import pwd

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.job_id import job_argument, job_path
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import print_json


@click.command("pause")
@job_argument
@click.option("--reason", default="", metavar="TEXT", help="Why; it stays with the job, beside who you are.")
@json_option
@daemon_option
def command(daemon: Daemon, job_id: str, reason: str, as_json: bool) -> None:
    """Stop the schedule of the job ID until `resume`. A tick under way runs to its end, and the outbox drains."""
    answer = daemon.ask("POST", job_path(job_id, "pause"), body={"by": system_user(), "reason": reason})
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{job_id} is paused" if answer["changed"] else f"{job_id} was paused already, and keeps its reason")


def system_user() -> str:
    """Who runs this process, as the system knows it: variables such as USER say what anybody likes."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"  # of a container, as a rule
