"""`nexo-poller google login ACCOUNT`: the token that jobs act with."""

import os
import webbrowser
from pathlib import Path

import click
import trio

from nexo_poller.cli.options import config_option
from nexo_poller.cli.running import load, run
from nexo_poller.clock import SystemClock
from nexo_poller.config.crosscheck import listed_accounts
from nexo_poller.config.model import Config, GoogleAccount
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.masking import fingerprint


@click.group("google")
def command() -> None:
    """Look after Google accounts."""


@command.command("login")
@click.argument("name", metavar="ACCOUNT")
@config_option
@click.option("--no-browser", is_flag=True, help="Only print the address, and start no browser.")
def login(name: str, path: Path, no_browser: bool) -> None:
    """Let the jobs of ACCOUNT act for it, and write its token.

    ACCOUNT is the id of an account under google_auth:, or its fingerprint, as logs and errors have it. Prints an address
    to open in a browser on this machine, waits until its owner has allowed what the account's scopes list, and replaces
    the file at token_path. On a machine without a browser, forward the port that stands in the address after
    redirect_uri: ssh -L PORT:127.0.0.1:PORT.
    """
    account = find(load(path), name)
    run(log_in, account, no_browser)
    click.echo(f"logged in; the token is in {account.token_path}")


def find(config: Config, name: str) -> GoogleAccount:
    """The account of this id or fingerprint. Raises `click.ClickException` that lists those there are."""
    for account in config.google_accounts:
        if name in (account.id, fingerprint(account.id)):
            return account
    listed = listed_accounts(config)
    what = f"there are {listed}" if listed else "add it under google_auth: accounts:"
    raise click.ClickException(f"there is no such Google account ({what})")


async def log_in(account: GoogleAccount, no_browser: bool) -> None:
    """Run the login against Google, or what the environment puts in its place."""
    from nexo_poller.google.login import login
    from nexo_poller.http.pools import HttpPools

    async def show(url: str) -> None:
        click.echo(f"Open this address in a browser on this machine, and allow what is asked:\n\n{url}\n")

    async def show_and_open(url: str) -> None:
        await show(url)
        browsers.start_soon(lambda: trio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True))

    clock = SystemClock()
    async with HttpPools.open(clock=clock) as http, trio.open_nursery() as browsers:
        await login(
            account,
            endpoints=GoogleEndpoints.of(os.environ),
            http=http.client(allow_private_networks=True),
            clock=clock,
            ask=show if no_browser else show_and_open,
        )
        browsers.cancel_scope.cancel()
