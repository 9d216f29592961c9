"""Where the admin server listens, opened before anything runs: a daemon that cannot be reached does not start."""

import errno
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import trio

from nexo_poller.admin.unix_socket import unix_listener
from nexo_poller.config.binds import Bind, TcpBind, UnixBind
from nexo_poller.errors import AdminRefused

REMEDY: Final = "choose another address with --admin, or do without it with --no-admin"


@asynccontextmanager
async def listening(bind: Bind) -> AsyncIterator[Sequence[trio.SocketListener]]:
    """Listeners on `bind`, for as long as the block lasts. Raises `AdminRefused`, which says what to do."""
    async with AsyncExitStack() as stack:
        with _explained(bind):
            if isinstance(bind, UnixBind):
                listeners = [stack.enter_context(unix_listener(bind.path))]
            else:
                listeners = await trio.open_tcp_listeners(bind.port, host=bind.host)
        for listener in listeners:
            stack.push_async_callback(trio.aclose_forcefully, listener)
        yield listeners


def address_of(listener: trio.SocketListener) -> str:
    """Where it listens, as a person or a browser may use it."""
    name = listener.socket.getsockname()
    return str(UnixBind(Path(name))) if isinstance(name, str) else f"http://{TcpBind(*name[:2])}/"


@contextmanager
def _explained(bind: Bind) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise AdminRefused(f"the admin server cannot listen on {bind}: {why} ({REMEDY})") from error
