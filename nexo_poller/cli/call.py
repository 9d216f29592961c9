"""`nexo-poller call TOOL`: what a language model would be answered."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from nexo_poller.cli.daemon import NO_DEADLINE, Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.options import agent_option
from nexo_poller.cli.printing import print_json


def read_arguments(_: click.Context, __: click.Parameter, text: str) -> Mapping[str, Any]:
    """The arguments of a call. Raises `click.BadParameter` for what is no JSON object."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"it is not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise click.BadParameter('it is no JSON object: write \'{"id": "…"}\'')
    return arguments


@click.command("call")
@click.argument("tool")
@click.argument("arguments", default="{}", callback=read_arguments)
@agent_option
@daemon_option
def command(tool: str, arguments: Mapping[str, Any], agent: str, daemon: Daemon) -> None:
    """Call a TOOL in the name of an agent, with ARGUMENTS as a JSON object, and print its answer as JSON.

    `nexo-poller tools` lists the tools. Exits with 1 if the tool refuses.
    """
    body = {"arguments": arguments, "agent_id": agent}
    path = f"/admin/tools/{quote(tool, safe='')}"
    print_json(daemon.ask("POST", path, body=body, patience_secs=NO_DEADLINE)["result"])
