"""`nexo-poller schema`: what an editor needs to help with a pollers.yaml."""

import json
from pathlib import Path

import click

from nexo_poller.builtins import builtin_pollers
from nexo_poller.cli.options import config_option
from nexo_poller.cli.problems import show
from nexo_poller.config.json_schema import json_schema
from nexo_poller.config.plugin_kinds import plugin_kinds
from nexo_poller.config.reading import read_config
from nexo_poller.kinds import discover_pollers


@click.command("schema")
@config_option
def command(path: Path) -> None:
    """Print a JSON Schema of pollers.yaml, with the config of every installed kind.

    The kinds of the plugins that it leads to are known, too, if it is there already; their config may be anything.

    Editors that speak YAML use it for completion and checks; save it, and name it in the file's first line:
    "# yaml-language-server: $schema=pollers.schema.json".
    """
    discovery = discover_pollers()
    show(discovery.problems)
    reading = read_config(path)
    pollers = {poller.kind: poller for poller in (*builtin_pollers(), *discovery.pollers)}
    pollers = {**plugin_kinds(reading.owners if reading else ()), **pollers}
    click.echo(json.dumps(json_schema(pollers), indent=2))
