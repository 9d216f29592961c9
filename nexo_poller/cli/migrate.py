"""`nexo-poller migrate gmail`: out of the files of programs that are no more."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import click

from nexo_poller.cli.options import config_option
from nexo_poller.cli.problems import show
from nexo_poller.cli.running import NoConfiguration, Refused, mask_of
from nexo_poller.config.migration import Migration, migration, write_text
from nexo_poller.errors import ConfigError
from nexo_poller.logs import escape


@click.group("migrate")
def command() -> None:
    """Move what old files say into pollers.yaml."""


@command.command("gmail")
@config_option
@click.option("--dry-run", is_flag=True, help="Show the change to pollers.yaml, and do not make it.")
def gmail(path: Path, dry_run: bool) -> None:
    """Write the jobs of plugins/gmail-poller.yaml into pollers.yaml.

    Comments stay, and so does every ${…}. A job that was moved already is left alone. The old file is not touched: once
    it is deleted, `nexo-poller check` tells what is still missing.
    """
    try:
        migrated = migration(path)
    except ConfigError as error:
        show(error.problems)
        raise Refused from None
    if migrated is None:
        raise NoConfiguration(path / "plugins" / "gmail-poller.yaml")
    if dry_run:
        click.echo(change(migrated) or "nothing would change")
        return
    if migrated.ids:
        write_text(migrated.file, migrated.after)
    for line in outcome(migrated):
        click.echo(escape(line))


def outcome(migrated: Migration) -> Iterator[str]:
    """What was done, and what is left to do."""
    yield from (f"{migrated.file}: {job_id}" for job_id in migrated.ids)
    for name in migrated.left:
        yield f"{migrated.old_file}: '{name}' stays, since it does not run (`nexo-poller check` tells why)"
    if not migrated.left:
        yield f"delete {migrated.old_file}, in which nothing is left to move, and run `nexo-poller check`"


def change(migrated: Migration) -> str:
    """The change as a unified diff, without what is secret in it."""
    mask, name = mask_of(migrated.config), str(migrated.file)
    before, after = (mask(text).splitlines() for text in (migrated.before, migrated.after))
    return "\n".join(map(escape, difflib.unified_diff(before, after, name, name, lineterm="")))
