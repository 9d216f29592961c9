"""A doomed process and the test that outlives it: requests go there, and messages arrive there.

One connection to a unix socket for each of them: a line of JSON, and a line of JSON in answer.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import Factory, define, frozen

from nexo_poller.broker import Event
from nexo_poller.testing.routes import Routes
from nexo_poller.testing.traps import Trap

RECEIVE_BYTES: Final = 65_536
NOTHING: Final[Mapping[str, Any]] = {}


@frozen
class Said:
    """A message without what differs from one life to another; `text` is its topic and payload."""

    id: str
    text: str


def said(id: str, topic: str, payload: Any) -> Said:  # noqa: A002 - the field's name
    """An event, as it is compared with others."""
    return Said(id, f"{topic} {json.dumps(payload, ensure_ascii=False, sort_keys=True)}")


@define(eq=False)
class World:
    """What stays while processes come and go: the servers that they ask, and all messages that arrived, in order."""

    http: Routes
    arrived: list[Said] = Factory(list)

    async def meet(self, stream: trio.SocketStream) -> None:
        """Answer one request, or take one message."""
        async with stream:
            try:
                told = json.loads(await _line(stream))
                await stream.send_all(json.dumps(await self._answer(told)).encode() + b"\n")
            except (trio.BrokenResourceError, ValueError):
                pass  # killed in the middle of it

    async def _answer(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        if "event" in told:
            self.arrived.append(said(**told["event"]))
            return NOTHING
        request = httpx.Request(
            told["method"], told["url"], headers=told["headers"], content=b64decode(told["content"])
        )
        try:
            response = await self.http(request)
            content = await response.aread()
        except Exception as error:  # noqa: BLE001 - `Routes` keeps what is a fault of the test's
            return {"broken": f"{type(error).__name__}: {error}"}
        headers = [pair for pair in response.headers.multi_items() if pair[0] != "content-encoding"]
        return {"status": response.status_code, "headers": headers, "content": b64encode(content).decode()}


@define(eq=False)
class FarTransport(httpx.AsyncBaseTransport):
    """Takes a process's requests, whatever their hosts, to the `World` at `socket`."""

    socket: Path
    trap: Trap

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to `request`; `httpx.RemoteProtocolError` if the connection is to break."""
        told = {
            "method": request.method,
            "url": str(request.url),
            "headers": request.headers.multi_items(),
            "content": b64encode(await request.aread()).decode(),
        }
        await self.trap.passes_by("asking")
        answer = await _asked(self.socket, told)
        await self.trap.passes_by("answered")
        if "broken" in answer:
            raise httpx.RemoteProtocolError(answer["broken"], request=request)
        return httpx.Response(answer["status"], headers=answer["headers"], content=b64decode(answer["content"]))


async def arrive(socket: Path, event: Event) -> None:
    """Let a message arrive at the `World` at `socket`."""
    await _asked(socket, {"event": {"id": event.id, "topic": event.topic, "payload": event.payload}})


async def _asked(socket: Path, told: Mapping[str, Any]) -> Any:
    async with await trio.open_unix_socket(socket) as stream:
        await stream.send_all(json.dumps(told).encode() + b"\n")
        return json.loads(await _line(stream))


async def _line(stream: trio.SocketStream) -> bytes:
    received = b""
    while not received.endswith(b"\n") and (more := await stream.receive_some(RECEIVE_BYTES)):
        received += more
    return received
