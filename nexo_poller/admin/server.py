"""An app served by hypercorn, on connections of limited number and patience (O6)."""

import logging
from collections.abc import Sequence
from typing import Any, Final, cast

import trio
from attrs import define
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ConnectionState,
    Scope,
    WebsocketCloseEvent,
)

from nexo_poller.admin.connection import PatientStream
from nexo_poller.admin.http_1 import HEADER_BYTES, Http1Server
from nexo_poller.admin.unread_body import telling_of_close

MAX_CONNECTIONS: Final = 128
IDLE_SECS: Final = 5.0  # until a request has come, headers and all
BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 1\r\n\r\n"

log = logging.getLogger(__name__)


async def serve_app(
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener],
    *,
    task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, which takes at most 5 s, whatever clients do. Started means: it answers.

    Speaks HTTP/1.1 and nothing else, and has no lifespan. The listeners are closed at the end. What goes wrong in one
    connection is logged and ends no other.
    """
    await trio.serve_listeners(
        _Server(ASGIWrapper(_without_websockets(telling_of_close(app)))).serve, [*listeners], task_status=task_status
    )


@define(eq=False)
class _Server:
    app: ASGIWrapper
    connections: int = 0

    async def serve(self, accepted: trio.SocketStream) -> None:
        stream = PatientStream(accepted)
        self.connections += 1
        try:
            with stream.life:
                await (self._refuse(stream) if self.connections > MAX_CONNECTIONS else self._serve(stream))
        except* Exception as errors:
            log.warning("a connection to the admin server failed", exc_info=errors)
        finally:
            self.connections -= 1
            await trio.aclose_forcefully(accepted)

    async def _serve(self, stream: PatientStream) -> None:
        config, context = _config(), WorkerContext(max_requests=None)
        await Http1Server(self.app, config, context, ConnectionState({}), cast("Any", stream))

    async def _refuse(self, stream: PatientStream) -> None:
        await stream.send_all(BUSY)


def _config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = log
    config.include_server_header = False
    config.h11_max_incomplete_size = HEADER_BYTES
    config.keep_alive_timeout = IDLE_SECS
    return config


def _without_websockets(app: ASGIFramework) -> ASGIFramework:
    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket":
            await send(WebsocketCloseEvent(type="websocket.close", code=1008, reason=None))
        else:
            await app(scope, receive, send)

    return answer
