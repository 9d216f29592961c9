"""Options that several commands have."""

from pathlib import Path
from typing import Final

import click

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
