"""`nexo-poller mcp`: the daemon's tools for any client of the Model Context Protocol."""

import signal
from typing import Final

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.running import run

LONGEST_AGENT: Final = 128
WITHOUT_IT: Final = 'the Model Context Protocol needs an extra: pip install "nexo-poller[mcp]"'


def read_agent(_: click.Context, __: click.Parameter, agent: str) -> str:
    """The agent's id. Raises `click.BadParameter` for one that no agent can have."""
    if not 1 <= len(agent) <= LONGEST_AGENT:
        raise click.BadParameter(f"an agent's id has 1 to {LONGEST_AGENT} characters")
    return agent


@click.command("mcp")
@click.option(
    "--agent",
    required=True,
    metavar="ID",
    callback=read_agent,
    help="Who calls the tools; no argument of a call can change it.",
)
@daemon_option
def command(agent: str, daemon: Daemon) -> None:
    r"""Serve the tools of a running daemon over the Model Context Protocol, on stdin and stdout.

    This is for MCP clients to start. Every call goes on to the daemon's admin server, in the name of the agent.

    \b
    Exit codes:
      0  the client has closed stdin
      1  the extra `mcp` is not installed, or the daemon refuses
      3  no daemon answers
    """
    try:
        from nexo_poller.cli.mcp_server import serve_stdio
    except ModuleNotFoundError as missing:
        raise click.ClickException(WITHOUT_IT) from missing
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the thread that reads stdin would not hear of a KeyboardInterrupt
    run(serve_stdio, daemon, agent)
