"""Options of the commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from nexo_poller.config.binds import Bind, parse_bind
from nexo_poller.errors import ConfigError

LONGEST_AGENT: Final = 128


def read_bind(_: click.Context, __: click.Parameter, value: str | None) -> Bind | None:
    """What `--admin` of a server says. Raises `click.BadParameter` if it is no address."""
    try:
        return None if value is None else parse_bind(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error


def read_agent(_: click.Context, __: click.Parameter, agent: str) -> str:
    """The agent's id. Raises `click.BadParameter` for one that no agent can have."""
    if not 1 <= len(agent) <= LONGEST_AGENT:
        raise click.BadParameter(f"an agent's id has 1 to {LONGEST_AGENT} characters")
    return agent


agent_option: Final = click.option(
    "--agent",
    required=True,
    metavar="ID",
    callback=read_agent,
    help="Who calls the tools; no argument of a call can change it.",
)
config_option: Final = click.option(
    "--config",
    "path",
    default="./config",
    show_default=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="pollers.yaml, or the folder that holds it.",
)
json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def yes_option(does: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--yes`, without which the command refuses what cannot be undone, and says what that is: it `does` this."""

    def insist(context: click.Context, _: click.Parameter, value: bool) -> None:
        if not value and not context.resilient_parsing:
            raise click.UsageError(f"this {does}; add --yes if that is what you want")

    sure = f"Yes, I know that this {does}."
    return click.option("--yes", is_flag=True, expose_value=False, callback=insist, help=sure)


def page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`-n` and `--after`, for a page of what may be many."""
    limit = click.option("-n", "limit", default=100, show_default=True, type=click.IntRange(1, 200), help="How many.")
    after = click.option("--after", default=0, metavar="ID", type=click.IntRange(0), help="Only those beyond this ID.")
    return limit(after(command))
