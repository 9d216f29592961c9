"""How commands speak to a running daemon: HTTP to its admin server, on TCP or on a unix socket."""

import os
from collections.abc import Mapping
from typing import Any, Final

import click
import httpx

DEFAULT_ADDRESS: Final = "127.0.0.1:9091"
UNIX: Final = "unix:"
CONNECT_SECS: Final = 5.0
ANSWER_SECS: Final = 660.0  # a tick may take long; the daemon has deadlines of its own

admin_option: Final = click.option(
    "--admin",
    "address",
    default=DEFAULT_ADDRESS,
    show_default=True,
    envvar="NEXO_POLLER_ADMIN",
    show_envvar=True,
    metavar="ADDRESS",
    help="HOST:PORT or unix:PATH of the daemon's admin server; its token, if it has one, is in NEXO_POLLER_TOKEN.",
)


class NoDaemon(click.ClickException):
    """Nobody answers at this address."""

    exit_code = 3

    def __init__(self, url: httpx.URL, why: Exception) -> None:
        super().__init__(f"no daemon answers at {url}: {why} (start `nexo-poller serve`, or say where with --admin)")


class DaemonRefused(click.ClickException):
    """The daemon answered, and the answer is no; the message is its own."""


def daemon_client(address: str) -> httpx.AsyncClient:
    """A client for the admin server at `address` (`HOST:PORT` or `unix:PATH`), to be opened with `async with`."""
    token = os.environ.get("NEXO_POLLER_TOKEN")
    path = address.removeprefix(UNIX) if address.startswith(UNIX) else None
    return httpx.AsyncClient(
        base_url="http://localhost" if path else f"http://{address}",
        headers={"Authorization": f"Bearer {token}"} if token else None,
        timeout=httpx.Timeout(ANSWER_SECS, connect=CONNECT_SECS),
        transport=httpx.AsyncHTTPTransport(uds=path, trust_env=False),
        trust_env=False,  # a proxy is for the outside
    )


async def ask(daemon: httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The JSON of the daemon's answer. Raises `NoDaemon`, or `DaemonRefused` with the daemon's own words."""
    try:
        answer = await daemon.request(method, path, json=body)
    except httpx.TransportError as error:
        raise NoDaemon(daemon.base_url, error) from error
    try:
        said = answer.json()
    except ValueError:
        said = {"error": f"{daemon.base_url} answered {answer.status_code}, and not in JSON: is it a nexo-poller?"}
    else:
        if answer.is_success:
            return said
    raise DaemonRefused(said["error"])
