"""Options of the commands."""

from pathlib import Path
from typing import Final

import click

from nexo_poller.config.binds import Bind, parse_bind
from nexo_poller.errors import ConfigError


def read_bind(_: click.Context, __: click.Parameter, value: str | None) -> Bind | None:
    """What `--admin` of a server says. Raises `click.BadParameter` if it is no address."""
    try:
        return None if value is None else parse_bind(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error


config_option: Final = click.option(
    "--config",
    "path",
    default="./config",
    show_default=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="pollers.yaml, or the folder that holds it.",
)
json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
