"""Every command, as `--help` tells of it, from click's own description."""

from collections.abc import Iterator
from inspect import cleandoc
from typing import Final

import click

from generating.tables import escaped, table
from nexo_poller.cli import main

KEPT: Final = "\b\n"


def markdown() -> str:
    """A heading, the usage and the options of the command and of each subcommand."""
    return "\n".join(_commands(click.Context(main, info_name="nexo-poller")))


def _commands(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"## {context.command_path}\n\n```text\n{usage}\n```\n\n{_help(command)}\n"
    yield table(("option", ""), _options(context))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands(click.Context(inner, info_name=name, parent=context))


def _help(command: click.Command) -> str:
    """What `--help` says, whose paragraphs after a backspace keep their lines."""
    paragraphs = cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(
        f"```text\n{part.removeprefix(KEPT)}\n```" if part.startswith(KEPT) else escaped(part) for part in paragraphs
    )


def _options(context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in context.command.get_params(context):
        if record := parameter.get_help_record(context):
            yield f"`{record[0]}`", escaped(record[1])
