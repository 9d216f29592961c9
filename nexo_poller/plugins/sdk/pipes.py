"""The pipes between a plugin and its daemon, taken away from everything else in the process.

A stray `print`, of the poller or of a program that it starts, would be garbage on the wire, and whoever else reads stdin
would eat calls. So the two are moved to descriptors that no child inherits; in their places stand stderr and nothing.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import trio
from attrs import define, field, frozen

from nexo_poller.plugins.lines import Lines

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
RECEIVE_BYTES: Final = 65_536
LAST_SECONDS: Final = 2.0


@frozen
class Pipes:
    """The descriptors on which the daemon speaks, and listens."""

    incoming: int
    outgoing: int


def take_stdio() -> Pipes:
    """The process's stdin and stdout, from now on for the wire alone."""
    sys.stdout.flush()
    taken = Pipes(os.dup(STDIN), os.dup(STDOUT))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, STDIN)
    os.close(nothing)
    os.dup2(STDERR, STDOUT)
    sys.stdout = sys.stderr  # which is not kept back until there is a whole block of it
    return taken


@define(eq=False)
class Speech:
    """Lines over the pipes, in both directions, as `Peer` wants them."""

    _incoming: trio.lowlevel.FdStream
    _to_write: trio.MemorySendChannel[bytes]
    _received: Lines = field(factory=Lines, init=False)
    _hearing: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _is_over: bool = field(default=False, init=False)

    async def send(self, line: bytes) -> None:
        """Have the line written, whole or not at all if cancelled. Raises `trio.BrokenResourceError` if nobody reads."""
        await self._to_write.send(line)

    async def receive_line(self) -> bytes | None:
        """The next line; None once the daemon has closed the pipe, or we do not listen any more. Raises `LineTooLong`."""
        with trio.CancelScope() as self._hearing:
            while not self._is_over:
                if (line := self._received.take()) is not None:
                    return line
                chunk = await self._incoming.receive_some(RECEIVE_BYTES)
                if not chunk:
                    return self._received.rest() or None
                self._received.add(chunk)
        return None

    def stop_listening(self) -> None:
        """Take no further line, which ends whoever waits for one."""
        self._is_over = True
        self._hearing.cancel()


@asynccontextmanager
async def speech(pipes: Pipes) -> AsyncIterator[Speech]:
    """Speech over the pipes. They are closed after the block, once everything is written, or is not taken for too long."""
    to_write, writable = trio.open_memory_channel[bytes](0)
    async with (
        trio.lowlevel.FdStream(pipes.incoming) as incoming,
        trio.lowlevel.FdStream(pipes.outgoing) as outgoing,
        trio.open_nursery() as nursery,
        to_write,
    ):
        nursery.start_soon(_write, writable, outgoing)
        yield Speech(incoming, to_write)
        nursery.cancel_scope.deadline = trio.current_time() + LAST_SECONDS


async def _write(lines: trio.MemoryReceiveChannel[bytes], outgoing: trio.lowlevel.FdStream) -> None:
    async with lines:
        with suppress(trio.BrokenResourceError):  # closed, the channel tells whoever has something to say
            async for line in lines:
                await outgoing.send_all(line)
