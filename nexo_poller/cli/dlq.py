"""`nexo-poller dlq`: messages that were refused for good."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.messages import gist, hint_at_more
from nexo_poller.cli.moments import since
from nexo_poller.cli.options import json_option, page_options, yes_option
from nexo_poller.cli.printing import Cell, Column, print_json, print_table
from nexo_poller.words import counted

PATH: Final = "/admin/dead-letters"
COLUMNS: Final = (
    Column("ID", "right"),
    Column("JOB"),
    Column("TOPIC", rank=2),
    Column("DIED", rank=1),
    Column("REFUSALS", "right", rank=3),
    Column("ERROR", flexible=True),
    Column("TEXT", flexible=True),
)

id_argument: Final = click.argument("letter", metavar="ID", type=click.IntRange(1))


@click.group("dlq")
def command() -> None:
    """Dead letters: messages that were refused too often, kept until somebody decides."""


@command.command("list")
@page_options
@json_option
@daemon_option
def list_letters(daemon: Daemon, limit: int, after: int, as_json: bool) -> None:
    """List the dead letters, oldest first, each with the last refusal."""
    letters = daemon.ask("GET", PATH, query={"limit": limit, "after": after})
    if as_json:
        print_json(letters)
        return
    now = datetime.now(UTC)
    print_table(COLUMNS, [_row(letter, now) for letter in letters], if_empty="there are no dead letters")
    hint_at_more(letters, limit)


@command.command("replay")
@id_argument
@json_option
@daemon_option
def replay(daemon: Daemon, letter: int, as_json: bool) -> None:
    """Put the dead letter ID back into the outbox, with its event id: whoever got it already can tell."""
    answer = daemon.ask("POST", f"{PATH}/{letter}/replay")
    if as_json:
        print_json(answer)
    else:
        click.echo(f"dead letter {letter} is in the outbox again")


@command.command("discard")
@id_argument
@json_option
@daemon_option
def discard(daemon: Daemon, letter: int, as_json: bool) -> None:
    """Delete the dead letter ID."""
    answer = daemon.ask("DELETE", f"{PATH}/{letter}")
    if as_json:
        print_json(answer)
    else:
        click.echo(f"deleted dead letter {letter}")


@command.command("purge")
@yes_option("deletes all dead letters for good")
@json_option
@daemon_option
def purge(daemon: Daemon, as_json: bool) -> None:
    """Delete all dead letters."""
    answer = daemon.ask("DELETE", PATH)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"deleted {counted(answer['deleted'], 'dead letter')}")


def _row(letter: Mapping[str, Any], now: datetime) -> tuple[Cell, ...]:
    return (
        str(letter["id"]),
        letter["job_id"],
        letter["topic"],
        since(letter["died_at_ms"], now),
        str(letter["attempts"]),
        letter["error"],
        gist(letter),
    )
