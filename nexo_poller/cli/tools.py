"""`nexo-poller tools`: what language models may do with a daemon."""

from typing import Final

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.options import json_option
from nexo_poller.cli.printing import Column, print_json, print_table

COLUMNS: Final = (Column("TOOL"), Column("DESCRIPTION", flexible=True))


@click.command("tools")
@json_option
@daemon_option
def command(daemon: Daemon, as_json: bool) -> None:
    """List the tools that the daemon offers to language models; with --json, the schemas of their arguments too."""
    tools = daemon.ask("GET", "/admin/tools")
    if as_json:
        print_json(tools)
    else:
        print_table(COLUMNS, [(tool["name"], tool["description"]) for tool in tools], if_empty="there are no tools")
