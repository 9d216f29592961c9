"""Where wall time comes from."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, as an aware UTC datetime. Waiting is the machine's business, never the clock's.

    `virtual` says that time follows trio's `MockClock`. Then nothing may wait for a thread, a process or a socket: the
    store runs its SQL inline, feeds are parsed inline, HTTP goes through an in-memory transport.
    """

    virtual: bool

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    virtual = False

    def now(self) -> datetime:
        """`datetime.now(UTC)`."""
        return datetime.now(UTC)
