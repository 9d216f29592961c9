"""What one tick came to."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import Factory, frozen

from nexo_poller.errors import HostHeld, PermanentError, TransientError
from nexo_poller.poller import OutboundDelivery, TickAck
from nexo_poller.testing.host import Logged
from nexo_poller.testing.wording import shortened, text_of, told_cursor
from nexo_poller.words import took

TickFailure = TransientError | PermanentError | HostHeld


@frozen(kw_only=True)
class TickResult:
    """A tick that has run, as a runner would have seen it.

    Either `ack` is what it returned, or `error` what the runner makes of what it raised: a `TransientError` to back off,
    a `PermanentError` to pause the job, whose `__cause__` is the exception itself where it was another one. A tick that failed
    sends nothing, so that `deliveries` and `published`, pairs of topic and payload, are empty then, and `next_cursor` is
    the `cursor` that it began with.

    `logs` and `metrics` (see `RecordingHost`) are kept either way. `duration` is in virtual time.
    """

    kind: str
    at: datetime
    duration: timedelta
    cursor: bytes | None
    ack: TickAck | None = None
    error: TickFailure | None = None
    published: tuple[tuple[str, bytes], ...] = ()
    logs: tuple[Logged, ...] = ()
    metrics: Mapping[str, int] = Factory(dict)

    @property
    def deliveries(self) -> tuple[OutboundDelivery, ...]:
        """The messages for people, in order."""
        return tuple(self.ack.deliver) if self.ack else ()

    @property
    def texts(self) -> list[str]:
        """The text of every delivery, in order: its payload, the payload's `text`, or else all of it as JSON."""
        return [text_of(delivery.payload) for delivery in self.deliveries]

    @property
    def lines(self) -> list[str]:
        """All of it, a line for each thing that the poller did."""
        how = "ok" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        wait = getattr(self.error, "retry_after", None)
        return [
            f"tick of {self.kind} at {self.at:%m-%d %H:%M:%S}, cursor {told_cursor(self.cursor)}",
            *(
                f"  logged   {logged.level}: {logged.message} {dict(logged.fields) or ''}".rstrip()
                for logged in self.logs
            ),
            *(f"  counted  {name} {number}" for name, number in self.metrics.items()),
            *(
                f"  sent     {topic}  {shortened(payload.decode(errors='replace'))}"
                for topic, payload in self.published
            ),
            *(
                f"  sent     {one.channel} to {one.recipient}  {shortened(text_of(one.payload))}"
                for one in self.deliveries
            ),
            f"  {how}{f', retry after {wait}' if wait else ''}, took {took(self.duration)}, cursor {told_cursor(self.next_cursor)}",
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines)

    @property
    def next_cursor(self) -> bytes | None:
        """The cursor that the next tick begins with."""
        return self.ack.next_cursor if self.ack and self.ack.next_cursor is not None else self.cursor
