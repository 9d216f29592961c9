"""Where the daemon is that a command speaks to, and its token: an option, the environment, or the file says so."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
import httpx
from click.core import ParameterSource

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.problems import show
from nexo_poller.cli.running import NoConfiguration
from nexo_poller.config.binds import Bind, UnixBind, is_loopback, parse_bind
from nexo_poller.config.model import DEFAULT_BIND, AdminSettings
from nexo_poller.config.names import TOKEN
from nexo_poller.config.reading import load_admin
from nexo_poller.errors import ConfigError
from nexo_poller.logs import escape

ADDRESS_VARIABLE: Final = "NEXO_POLLER_ADMIN"
TOKEN_VARIABLE: Final = "NEXO_POLLER_TOKEN"  # noqa: S105 - the name of one
DEFAULT_SOCKET: Final = UnixBind(Path("./data/admin.sock"))
DEFAULT_PATH: Final = Path("./config")
PROBE_SECS: Final = 1.0
ROOT: Final = 0

admin_option: Final = click.option(
    "--admin",
    "address",
    envvar=ADDRESS_VARIABLE,
    show_envvar=True,
    metavar="ADDRESS",
    help="HOST:PORT, unix:PATH or URL of the daemon's admin server.  [default: as the file's `admin:` says]",
)
file_option: Final = click.option(
    "--config",
    "path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help=f"pollers.yaml, or the folder that holds it; only its `admin:` is read.  [default: {DEFAULT_PATH}]",
)


def daemon_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that say where its daemon is, and the `Daemon` itself as `daemon`."""

    @admin_option
    @file_option
    @wraps(command)
    def with_daemon(*args: Any, address: str | None, path: Path | None, **more: Any) -> Any:
        return command(*args, daemon=find_daemon(click.get_current_context(), address, path), **more)

    return with_daemon


def find_daemon(context: click.Context, address: str | None, path: Path | None) -> Daemon:
    """The daemon at `address`, or else where the file at `path` says, or else at `./data/admin.sock` or the default port.

    Its token is that of NEXO_POLLER_TOKEN, or else the file's, which goes to no other machine than the file names. What
    is wrong with the file's section is shown, and the daemon is then looked for as if there were none.

    Raises `click.UsageError` for what is no address or no token.
    """
    token = _token_of_environment()
    if address is None:
        settings = _settings(path)
        bind, said_by = _bind_by(settings)
        return _daemon(str(bind), said_by, token or settings.token)
    if token is None and _is_on_this_machine(address):
        token = _settings(path).token
    from_environment = context.get_parameter_source("address") is ParameterSource.ENVIRONMENT
    return _daemon(address, ADDRESS_VARIABLE if from_environment else "--admin", token)


def _daemon(address: str, said_by: str, token: str | None) -> Daemon:
    place = f"{escape(address)} ({said_by})"
    if _is_url(address):
        return Daemon(place=place, url=address, token=token)
    bind = _bind(address)
    if isinstance(bind, UnixBind):
        return Daemon(place=place, socket=bind.path, token=token)
    return Daemon(place=place, url=f"http://{bind}", token=token)


def _is_on_this_machine(address: str) -> bool:
    return is_loopback(httpx.URL(address).host) if _is_url(address) else _bind(address).is_private


def _bind_by(settings: AdminSettings) -> tuple[Bind, str]:
    if settings.bind != DEFAULT_BIND:
        return settings.bind, "as the file's `admin:` says"
    if not _is_served(DEFAULT_SOCKET):
        return DEFAULT_BIND, "the default"
    if not _is_ours(DEFAULT_SOCKET):  # it would be told the token
        click.echo(f"{DEFAULT_SOCKET} was found here, and is left alone: others own it, or may write to it", err=True)
        return DEFAULT_BIND, "the default"
    return DEFAULT_SOCKET, "found here"


def _is_served(bind: UnixBind) -> bool:
    """Whether somebody listens there; a daemon that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_SECS)
        return probe.connect_ex(str(bind.path)) in (0, errno.EAGAIN)  # or there is a queue


def _is_ours(bind: UnixBind) -> bool:
    found = bind.path.stat()
    return found.st_uid in (os.geteuid(), ROOT) and not stat.S_IMODE(found.st_mode) & stat.S_IWOTH


def _is_url(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _bind(address: str) -> Bind:
    try:
        return parse_bind(address)
    except ConfigError as error:
        raise click.UsageError(f"'{address}' is no address (write HOST:PORT, unix:PATH or a URL)") from error


def _settings(path: Path | None) -> AdminSettings:
    try:
        settings = load_admin(path or DEFAULT_PATH)
    except ConfigError as error:
        show(error.problems)
        return AdminSettings()
    if settings is None and path is not None:
        raise NoConfiguration(path)
    return settings or AdminSettings()


def _token_of_environment() -> str | None:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token and not TOKEN.fullmatch(token):
        raise click.UsageError(f"{TOKEN_VARIABLE} holds no token: it has spaces, or characters beyond ASCII")
    return token or None
