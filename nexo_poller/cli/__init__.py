"""The command `nexo-poller`. Each subcommand is a module here, imported when it is called for."""

import sys
from importlib import import_module
from typing import Any, Final

import click

ON_A_FILE: Final = ("serve", "check", "migrate", "google", "schema", "test", "next")
ON_A_JOB: Final = ("show", "run", "pause", "resume", "reset", "history", "cursor")
ON_A_DAEMON: Final = ("list", *ON_A_JOB, "reload", "tail", "outbox", "dlq", "tools", "call", "mcp")
COMMANDS: Final = (*ON_A_FILE, "new", *ON_A_DAEMON, "completion", "demo")
FAILED: Final = 1
WRONG_USE: Final = 2


class LazyGroup(click.Group):
    """A group whose commands are `nexo_poller.cli.<name>.command`, so that `--version` does not load the runner."""

    def main(self, *args: Any, **more: Any) -> Any:
        """As in any group; and what the system refuses, such as to write to a full disk, is one line and exit code 1.

        So is, with exit code 2, an argument that is no UTF-8.
        """
        try:
            return super().main(*args, **more)
        except UnicodeEncodeError as error:
            click.echo(f"Error: {error.object!a} is no UTF-8", err=True)
            sys.exit(WRONG_USE)
        except OSError as error:  # click itself ends quietly where nobody reads on
            click.echo(f"Error: {error}", err=True)
            sys.exit(FAILED)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"nexo_poller.cli.{cmd_name}").command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nexo-poller", prog_name="nexo-poller")
def main() -> None:
    """Durable polling jobs: what a pollers.yaml asks for, through crashes, without loss or repetition."""
