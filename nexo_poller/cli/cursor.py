"""`nexo-poller cursor`: how far a job has come, to be looked at and put right."""

import base64
from collections.abc import Mapping
from typing import Any, BinaryIO

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.job_id import job_argument, job_path
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import print_facts, print_json
from nexo_poller.words import counted


@click.group("cursor")
def command() -> None:
    """A job's cursor: what its poller remembers from one tick to the next."""


@command.command("show")
@job_argument
@click.option("--raw", is_flag=True, help="Write its very bytes, for `cursor set --file`.")
@json_option
@daemon_option
def show(daemon: Daemon, job_id: str, raw: bool, as_json: bool) -> None:
    """Show the cursor of the job ID. Nothing in it is masked."""
    cursor = daemon.ask("GET", job_path(job_id, "cursor"))
    if as_json:
        print_json(cursor)
    elif cursor["cursor"] is None:
        click.echo(f"{job_id} has no cursor", err=True)
    elif raw:
        click.echo(base64.b64decode(cursor["cursor"]), nl=False)
    else:
        print_facts(_facts(cursor))


@command.command("set")
@job_argument
@click.argument("text", required=False)
@click.option("--file", "source", type=click.File("rb"), metavar="PATH", help="Take the bytes of this file; -: stdin.")
@click.option("--none", is_flag=True, help="Leave no cursor at all, as before the first tick.")
@json_option
@daemon_option
def set_(  # noqa: PLR0913 - the options
    *, daemon: Daemon, job_id: str, text: str | None, source: BinaryIO | None, none: bool, as_json: bool
) -> None:
    """Give the job ID another cursor: TEXT, the bytes of a file, or none.

    Refused unless the job is paused, and where its poller cannot read such a cursor. What a cursor looks like is its
    poller's own business: start from what `cursor show` tells.
    """
    given: list[Mapping[str, Any]] = []
    if text is not None:
        given.append({"text": text})
    if source is not None:
        given.append({"cursor": base64.b64encode(source.read()).decode()})
    if none:
        given.append({"cursor": None})
    if len(given) != 1:
        raise click.UsageError("give either TEXT, --file or --none")
    cursor = daemon.ask("PUT", job_path(job_id, "cursor"), body=given[0])
    if as_json:
        print_json(cursor)
    else:
        click.echo(f"{job_id} has another cursor" if cursor["cursor"] is not None else f"{job_id} has no cursor now")


def _facts(cursor: Mapping[str, Any]) -> list[tuple[str, str]]:
    size, digest = ("size", counted(cursor["size"], "byte")), ("digest", cursor["digest"])
    content = ("base64", cursor["cursor"]) if cursor["text"] is None else ("text", cursor["text"])
    return [size, digest, content]
