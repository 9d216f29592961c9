"""`nexo-poller completion SHELL`: what a shell needs to complete commands, options and ids of jobs."""

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
PROGRAM: Final = "nexo-poller"
VARIABLE: Final = "_NEXO_POLLER_COMPLETE"  # as click calls it for this program


@click.command("completion")
@click.argument("shell", type=click.Choice([*SHELLS]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script for SHELL that completes commands, options, and the ids of the daemon's jobs.

    \b
      bash  eval "$(nexo-poller completion bash)"              in ~/.bashrc
      zsh   eval "$(nexo-poller completion zsh)"               in ~/.zshrc
      fish  nexo-poller completion fish | source               in ~/.config/fish/config.fish
    """
    click.echo(SHELLS[shell](context.find_root().command, {}, PROGRAM, VARIABLE).source())
