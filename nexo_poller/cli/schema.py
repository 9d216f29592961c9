"""`nexo-poller schema`: what an editor needs to help with a pollers.yaml."""

import json

import click

from nexo_poller.builtins import builtin_pollers
from nexo_poller.cli.problems import show
from nexo_poller.config.json_schema import json_schema
from nexo_poller.kinds import discover_pollers


@click.command("schema")
def command() -> None:
    """Print a JSON Schema of pollers.yaml, with the config of every installed kind.

    Editors that speak YAML use it for completion and checks; save it, and name it in the file's first line:
    "# yaml-language-server: $schema=pollers.schema.json".
    """
    discovery = discover_pollers()
    show(discovery.problems)
    pollers = {poller.kind: poller for poller in (*builtin_pollers(), *discovery.pollers)}
    click.echo(json.dumps(json_schema(pollers), indent=2))
