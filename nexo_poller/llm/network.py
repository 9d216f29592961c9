"""How both SDKs speak HTTP: for how long, how much they take in, and that they are led nowhere else."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import httpx
import httpx2
from attrs import define

from nexo_poller.config.model import ProviderSettings
from nexo_poller.http.body import Unpacker, unpacker
from nexo_poller.llm.wire import NO_KEY

# The whole answer comes at once when the model is done; less than a tick may take by default, so that the error tells
# who was slow.
TIMEOUT: Final = httpx2.Timeout(240.0, connect=10.0)
MOST_BYTES: Final = 10 * 2**20


class Unreadable(httpx2.RequestError):
    """The answer's body is longer than `MOST_BYTES`, as it travels or unpacked, or is not packed as it says."""


@define(eq=False)
class Bounded(httpx2.AsyncByteStream):
    """A body, unpacked, of at most `MOST_BYTES`. Iterating raises `Unreadable`.

    It is read until the reading ends or fails, if need be by closing its connection: left half-way, the generators of
    httpx2 would wait for the garbage collector, of which trio warns.
    """

    _wire: httpx2.AsyncByteStream
    _content_encoding: str
    _unpacker: Unpacker | None = None
    _unpacked: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        fault: Unreadable | None = None
        try:
            async for chunk in self._wire:
                try:
                    for piece in self._pieces(chunk) if fault is None else ():
                        yield piece
                except (Unreadable, httpx.DecodingError) as error:
                    fault = Unreadable(str(error))
                    await self._wire.aclose()
        except httpx2.TransportError:
            if fault is None:
                raise
        if fault is not None:
            raise fault

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._wire.aclose()

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._unpacker is None:
            self._unpacker = unpacker(self._content_encoding)
        for piece in self._unpacker.feed(chunk):
            self._unpacked += len(piece)
            if self._unpacked > MOST_BYTES:
                raise Unreadable(f"the body is longer than {MOST_BYTES:,} bytes")
            yield piece


async def bound(response: httpx2.Response) -> None:
    """Have the body read within bounds. An event hook, which comes before the body is read."""
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = Bounded(response.stream, response.headers.pop("Content-Encoding", ""))


def sdk_options(settings: ProviderSettings) -> dict[str, Any]:
    """Arguments for either SDK: it sends a request once, and is answered in what `Bounded` can unpack."""
    return {
        "api_key": settings.api_key or NO_KEY,
        "base_url": settings.base_url,
        "max_retries": 0,
        "timeout": TIMEOUT,
        "default_headers": {"Accept-Encoding": "gzip, identity"},
    }


def client_options() -> Mapping[str, Any]:
    """Arguments for the SDK's own kind of client."""
    return {"timeout": TIMEOUT, "follow_redirects": False, "event_hooks": {"response": [bound]}}
