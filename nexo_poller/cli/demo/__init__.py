"""`nexo-poller demo`: see the promise kept, through one SIGKILL after another."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from nexo_poller.cli.running import run

if TYPE_CHECKING:  # rich is imported when something is to be printed
    from rich.console import Console

    from nexo_poller.cli.demo.summary import Summary

DAEMON: Final = (sys.executable, "-m", "nexo_poller", "serve", "--no-admin")


@click.command("demo")
@click.option("--seconds", default=12.0, show_default=True, type=click.FloatRange(min=3), help="How long to kill.")
@click.option("--json", "as_json", is_flag=True, help="Print only the summary, as one JSON object.")
@click.option("--daemon", multiple=True, hidden=True, help="An argument of another daemon's command line.")
@click.pass_context
def command(context: click.Context, seconds: float, as_json: bool, daemon: Sequence[str]) -> None:
    """Try the daemon: kill it with SIGKILL in mid-flight, and see that nothing is lost or repeated.

    Starts a feed and an API on loopback that gain items all the time, and a receiver; runs `nexo-poller serve` between
    them in a temporary folder; kills it at the worst moments; and compares what was published with what came.

    Exits with 0 if everything arrived once and in order (a redelivery under a known event id is recognised, shown and
    counted apart), and with 1 otherwise.
    """
    from rich.console import Console

    from nexo_poller.cli.printing import colours

    console = Console(quiet=as_json, color_system=colours())
    summary = run(run_demo, daemon or DAEMON, seconds, console)
    if as_json:
        click.echo(json.dumps(summary.as_json()))
    context.exit(0 if summary.is_clean else 1)


async def run_demo(daemon: Sequence[str], seconds: float, console: "Console") -> "Summary":
    """Try the daemon that this command line starts, in a temporary folder, and print what happens and what it came to."""
    from nexo_poller.cli.demo.screen import Screen
    from nexo_poller.cli.demo.trial import hold_trial

    screen = Screen(console)
    with TemporaryDirectory(prefix="nexo-poller-demo-") as folder:
        summary = await hold_trial(Path(folder), daemon, seconds, screen)
    screen.ended(summary)
    return summary
