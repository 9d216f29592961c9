"""The command `nexo-poller`. Each subcommand is a module here, imported when it is called for."""

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = ("serve", "check", "migrate", "google", "schema", "test", "next", "mcp", "demo")


class LazyGroup(click.Group):
    """A group whose commands are `nexo_poller.cli.<name>.command`, so that `--version` does not load the runner."""

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
