"""The channel `stdout`: one line of JSON an event, for a program or a person to read."""

import os
import select
import sys
import threading
from functools import partial
from typing import Final

from attrs import define, field, frozen

from nexo_poller.broker import Event
from nexo_poller.channels.hops import Hop
from nexo_poller.errors import BrokerUnavailable, ConfigError
from nexo_poller.event import event_json

one_line_at_a_time: Final = threading.Lock()  # over all runners, and over the threads that a cancelled call has left


@frozen
class Stdout:
    """Writes events to `lines`."""

    lines: "Lines"
    hop: Hop

    async def __call__(self, event: Event) -> None:
        """Return when the event's line is with the operating system; raises `BrokerUnavailable` if it cannot be."""
        await self.hop(partial(self.lines.write, event_json(event) + b"\n"))


@define(eq=False)
class Lines:
    """Whole lines to a file descriptor.

    It is the descriptor and not `sys.stdout`, because an interpreter that ends while a thread is stuck in that object
    dies of it.
    """

    fd: int
    _is_torn: bool = field(default=False, init=False)

    @classmethod
    def to_stdout(cls) -> "Lines":
        """Lines to where `sys.stdout` goes; raises `ConfigError` if that is nowhere."""
        try:
            return cls(sys.stdout.fileno())
        except (AttributeError, OSError, ValueError) as error:
            raise ConfigError(
                "a channel leads to `stdout`, but this process has none (redirect it to a file)"
            ) from error

    def write(self, line: bytes) -> None:
        """Write `line`, which ends with a newline, however long the reader takes; what follows a torn line starts anew.

        Raises `BrokerUnavailable` if the operating system does not take it (nobody reads, the disk is full).
        """
        with one_line_at_a_time:
            rest = b"\n" + line if self._is_torn else line
            try:
                while rest:
                    rest = rest[self._write_some(rest) :]
                    self._is_torn = len(rest) not in (0, len(line))
            except OSError as error:
                raise BrokerUnavailable(f"stdout: {error.strerror}") from error

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:  # somebody who shares the descriptor has made it non-blocking
            ready = select.poll()
            ready.register(self.fd, select.POLLOUT)
            ready.poll()
            return 0
