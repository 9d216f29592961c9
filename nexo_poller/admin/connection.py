"""A connection that does not wait for ever for its client (O6).

⚗ hypercorn shields its sends and gives them no deadline, so that one client that does not read keeps the whole server
from ending. It can wait for ever to hand a request's body to a handler that is gone, and, cancelled by Quart-Trio while
it closes a connection, leaves it open. Hence two deadlines: a write that the client does not take in time closes the
connection, and once either side has begun to close it, whoever serves it has a moment left.
"""

from typing import Final

import trio
from attrs import Factory, define

WRITE_SECS: Final = 3.0  # a server that ends waits so long for one write, and has promised to end within 5 s
AFTER_CLOSE_SECS: Final = 1.0


@define(eq=False)
class PatientStream(trio.abc.HalfCloseableStream):
    """The stream of a connection. `life` is the scope of whoever serves it."""

    _stream: trio.SocketStream
    life: trio.CancelScope = Factory(trio.CancelScope)

    @property
    def socket(self) -> trio.socket.SocketType:
        """Where hypercorn looks for the addresses of both sides."""
        return self._stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or close: raises `trio.BrokenResourceError` if the client has not taken it all in time."""
        with trio.move_on_after(WRITE_SECS):
            try:
                await self._stream.send_all(data)
            except trio.BusyResourceError as error:  # hypercorn sends one thing at a time, but it may be closing
                raise trio.BrokenResourceError("the connection is being closed") from error
            return
        await self.aclose()
        raise trio.BrokenResourceError(f"the client did not read for {WRITE_SECS:g} s")

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """See `trio.abc.HalfCloseableStream`. hypercorn closes after it, unless it is cancelled here."""
        self._end_soon()
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See `trio.abc.ReceiveStream`. Nothing more to receive is an end, too."""
        received = await self._stream.receive_some(max_bytes)
        if not received:
            self._end_soon()
        return received

    async def aclose(self) -> None:
        """Close, and set the end of `life`."""
        self._end_soon()
        await self._stream.aclose()

    def _end_soon(self) -> None:
        self.life.deadline = min(self.life.deadline, trio.current_time() + AFTER_CLOSE_SECS)
