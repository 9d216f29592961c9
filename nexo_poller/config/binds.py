"""Where the admin server listens: a host and port, or a Unix socket; and how it is known there."""

import ipaddress
import re
from pathlib import Path
from typing import Final

from attrs import frozen

from nexo_poller.errors import ConfigError, Problem

OURS: Final = "X-Nexo-Poller"  # the header by which the command tells a daemon from other people's servers
LOOPBACK_NAME: Final = "localhost"
UNIX: Final = "unix:"
LONGEST_SOCKET_PATH: Final = 107  # what the kernel takes
_HOST_AND_PORT: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")


@frozen
class TcpBind:
    """A port of an address; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


@frozen
class UnixBind:
    """A socket in the file system, which only its owner can reach."""

    path: Path

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return True


Bind = TcpBind | UnixBind


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine and no other: `localhost`, 127.0.0.0/8, ::1."""
    try:
        return host.lower() == LOOPBACK_NAME or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_bind(text: str) -> Bind:
    """`HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`, relative to the working directory. Raises `ConfigError`."""
    if text.startswith(UNIX):
        return _unix(text.removeprefix(UNIX))
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None or int(found["port"]) > 65535:  # noqa: PLR2004 - the largest port
        remedy = "write HOST:PORT, such as 127.0.0.1:9091, or unix:PATH"
        raise ConfigError(Problem(what=f"'{text}' is no address to listen on", remedy=remedy))
    return TcpBind(found["v6"] or found["host"], int(found["port"]))


def _unix(path: str) -> UnixBind:
    if not path or "\0" in path or len(path.encode(errors="replace")) > LONGEST_SOCKET_PATH:
        remedy = f"write unix:PATH, with 1 to {LONGEST_SOCKET_PATH} bytes of path"
        raise ConfigError(Problem(what=f"'{path}' is no path for a socket", remedy=remedy))
    return UnixBind(Path(path))
