"""HTTP/1.1, and no more of it than is plain: what else clients may offer is refused, or ignored.

⚗ hypercorn enters HTTP/2 for whoever begins with its preface, or asks for `Upgrade: h2c`. There no deadline watches a
connection that is idle, so that a few of them could keep everyone else out for ever. Nor does it count headers that come
in one piece: the limit of h11 is only looked at while more of them are awaited. Requests are judged here, before there is
an app for them: one that answers at once, while more is being read, may see the connection closed before its answer.
"""

from http import HTTPStatus
from typing import Final

import h11
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer

HEADER_BYTES: Final = 16 * 1024
BETWEEN: Final = len(b": \r\n")  # what a header has besides its name and its value


class Http1Server(TCPServer):
    """hypercorn's server of one connection, which stays with HTTP/1 and closes after a request that is not sound."""

    async def _read_data(self) -> None:
        made = self.protocol  # by hypercorn, and nothing has been read yet
        made.protocol = _Http1(
            *(made.app, made.config, made.context, made.task_group, made.state, made.ssl),
            *(made.client, made.server, made.send),
        )
        await super()._read_data()


class _Http1(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Where hypercorn turns to HTTP/2. A request to upgrade may be ignored (RFC 9110, section 7.8)."""

    async def _create_stream(self, request: h11.Request) -> None:
        fault = _fault(request)
        if fault is None:
            await super()._create_stream(request)
        else:
            await self._send_error_response(fault)
            await self.send(Closed())


def _fault(request: h11.Request) -> HTTPStatus | None:
    names = {name for name, _ in request.headers}
    if not request.http_version.startswith(b"1."):
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    if len(request.target) + sum(len(name) + len(value) + BETWEEN for name, value in request.headers) > HEADER_BYTES:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if {b"content-length", b"transfer-encoding"} <= names:  # a proxy may have believed the other one (RFC 9112, 6.3)
        return HTTPStatus.BAD_REQUEST
    return None
