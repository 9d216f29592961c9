"""Answers' bodies, unpacked by us, within limits of size and time.

httpx unpacks a chunk in one go, however large it becomes; here a chunk comes out in small pieces and every piece is
counted, so a body costs no more memory than its limit.
"""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Protocol

import httpx
from attrs import define

from nexo_poller.http.deadline import Deadline
from nexo_poller.http.errors import BodyTooLarge
from nexo_poller.http.hosts import Place

PIECE_BYTES = 65_536
ANY_GZIP = zlib.MAX_WBITS | 16
MOST_MEMBERS = 1000  # each empty one costs 20 bytes of the server's and a decompressor of ours


class Unpacker(Protocol):
    """Undoes one Content-Encoding."""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What `packed` adds to the body, in pieces of limited size."""
        ...

    def finish(self) -> None:
        """Raise `httpx.DecodingError` if the body ended too early."""
        ...


class Identity:
    """No packing at all."""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """`packed` as it is."""
        yield packed

    def finish(self) -> None:
        """Any end will do."""


class Gunzip:
    """Unpacks gzip (RFC 1952): one member after another; what follows the last and is no member is ignored."""

    def __init__(self) -> None:
        self._members = 1
        self._zlib = zlib.decompressobj(ANY_GZIP)

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Pieces of at most 64 KiB. Raises `httpx.DecodingError` if `packed` is not gzip."""
        while packed:
            if self._zlib.eof:
                if not packed.startswith(b"\x1f"):
                    return
                self._next_member()
            try:
                yield self._zlib.decompress(packed, PIECE_BYTES)
            except zlib.error as error:
                raise httpx.DecodingError(f"the body is not the gzip that it says it is: {error}") from error
            packed = self._zlib.unconsumed_tail or self._zlib.unused_data

    def finish(self) -> None:
        """A body that stops inside a member has lost its end on the way."""
        if not self._zlib.eof:
            raise httpx.DecodingError("the gzip body ends in the middle")

    def _next_member(self) -> None:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise httpx.DecodingError(f"the gzip body has more than {MOST_MEMBERS} members")
        self._zlib = zlib.decompressobj(ANY_GZIP)


def unpacker(content_encoding: str) -> Unpacker:
    """The way to undo `content_encoding` (the header's value); anything but gzip raises `httpx.DecodingError`."""
    match content_encoding.strip().lower():
        case "" | "identity":
            return Identity()
        case "gzip" | "x-gzip":
            return Gunzip()
        case other:
            raise httpx.DecodingError(f"the body is packed with {other!r}, but only gzip and identity were accepted")


@define(eq=False, kw_only=True)
class Body(httpx.AsyncByteStream):
    """An answer's body: unpacked, at most `limit` bytes both as it travels and unpacked, and in time.

    Iterating raises `BodyTooLarge`, `RequestTooSlow` or `httpx.DecodingError`. An empty body needs no unpacking,
    whatever its header says. Closing it gives the place at the host back.
    """

    _wire: httpx.AsyncByteStream
    _content_encoding: str
    _limit: int
    _deadline: Deadline
    _place: Place

    async def __aiter__(self) -> AsyncIterator[bytes]:
        unpacking: Unpacker | None = None
        travelled = unpacked = 0
        chunks = aiter(self._wire)
        try:
            while (chunk := await self._next(chunks)) is not None:
                travelled += len(chunk)
                if chunk and not unpacking:
                    unpacking = unpacker(self._content_encoding)
                for piece in unpacking.feed(chunk) if unpacking else ():
                    unpacked += len(piece)
                    if max(travelled, unpacked) > self._limit:
                        raise BodyTooLarge(self._limit)
                    yield piece
        finally:
            if isinstance(chunks, AsyncGenerator):  # of a transport in memory; trio warns of those left half-way
                await chunks.aclose()
        if unpacking:
            unpacking.finish()

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        with self._deadline.enforced():
            return await anext(chunks, None)

    async def aclose(self) -> None:
        """Let go of the connection; one whose answer was not read to its end is closed."""
        try:
            await self._wire.aclose()
        finally:
            self._place.give_back()
