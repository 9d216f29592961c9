"""`nexo-poller mcp`: the daemon's tools for any client of the Model Context Protocol."""

import signal
from typing import Final

import click

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import daemon_option
from nexo_poller.cli.options import agent_option
from nexo_poller.cli.running import run

WITHOUT_IT: Final = 'the Model Context Protocol needs an extra: pip install "nexo-poller[mcp]"'


@click.command("mcp")
@agent_option
@daemon_option
def command(agent: str, daemon: Daemon) -> None:
    """Serve the tools of a running daemon over the Model Context Protocol, on stdin and stdout.

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
