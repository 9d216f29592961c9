"""What a poller did in days of virtual time, as values and as lines."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Final

from attrs import frozen

from nexo_poller.store import TickRecord
from nexo_poller.testing.wording import shortened, text_of, told_cursor
from nexo_poller.words import SECOND, counted, span, took

MOST_LINES: Final = 60  # two screens
Line = tuple[datetime, str]


@frozen(kw_only=True)
class Delivered:
    """A message that the broker took at `at`. `payload` is that of the event: an object with `text` and `to`, mostly."""

    at: datetime
    topic: str
    payload: Any

    @property
    def text(self) -> str:
        """What a person would read: the payload's `text`, or all of it as JSON."""
        return text_of(self.payload)


@frozen(kw_only=True, repr=False)
class Timeline:
    """Everything that a runner did with one job from `began` to `ended`.

    `ticks` are in order, each with `started_at`, `slot`, `status`, `error`, `duration` and how many `messages` it sent.
    `deliveries` came through the store and the relay. Of the end: the `cursor`, why the job is paused (None: it is not),
    and how many messages wait still (for their `not_before`) or are dead letters.

    `str()` has the beginning and the end of its `lines`.
    """

    kind: str
    began: datetime
    ended: datetime
    ticks: tuple[TickRecord, ...]
    deliveries: tuple[Delivered, ...]
    cursor: bytes | None = None
    pause_reason: str | None = None
    waiting: int = 0
    dead_letters: int = 0

    @property
    def errors(self) -> tuple[TickRecord, ...]:
        """The ticks that failed."""
        return tuple(tick for tick in self.ticks if tick.status in ("transient", "permanent"))

    @property
    def retries(self) -> tuple[TickRecord, ...]:
        """The ticks that tried again after a transient error, at a moment of the backoff's choosing."""
        return tuple(tick for before, tick in pairwise(self.ticks) if before.status == "transient")

    @property
    def texts(self) -> list[str]:
        """The text of every delivery, in order."""
        return [delivered.text for delivered in self.deliveries]

    @property
    def lines(self) -> list[str]:
        """How much happened, then all that happened, one line for what did so once or often in a row, then the end."""
        events = sorted([*self._ticks(), *self._deliveries()], key=itemgetter(0))
        groups = (list(group) for _, group in groupby(events, key=itemgetter(1)))
        return [self._head(), *map(_told, groups), f"{_moment(self.ended)}  {self._end()}"]

    def __str__(self) -> str:
        return "\n".join(_shortened(self.lines))

    def __repr__(self) -> str:
        return f"<Timeline of {self._head()}>"

    def _head(self) -> str:
        done = (
            counted(len(self.ticks), "tick"),
            counted(len(self.errors), "error"),
            f"{len(self.retries):,} tried again",
            f"{counted(len(self.deliveries), 'message')} sent",
        )
        return f"{self.kind}, {span(self.ended - self.began)} from {self.began:%Y-%m-%d %H:%M:%S}: {', '.join(done)}"

    def _end(self) -> str:
        left = [f"paused: {self.pause_reason}"] if self.pause_reason else []
        left += [f"{counted(self.waiting, 'message')} still waiting"] if self.waiting else []
        left += [counted(self.dead_letters, "dead letter")] if self.dead_letters else []
        return ", ".join(["end", f"cursor {told_cursor(self.cursor)}", *left])

    def _ticks(self) -> Iterator[Line]:
        retries = {tick.fence for tick in self.retries}
        for tick in self.ticks:
            what = "retry" if tick.fence in retries else "tick"
            came = f"{tick.items_seen} seen, " if tick.items_seen else ""
            how = f"{came}{counted(tick.messages, 'message')}" if tick.status == "ok" else shortened(tick.error or "")
            slow = f", took {took(tick.duration)}" if tick.duration >= SECOND else ""
            yield tick.started_at, f"{what:<5}  {tick.status:<9}  {how}{slow}"

    def _deliveries(self) -> Iterator[Line]:
        for delivered in self.deliveries:
            yield delivered.at, f"sent   {delivered.topic}  {shortened(delivered.text)}"


def _told(group: list[Line]) -> str:
    (first, text), (last, _) = group[0], group[-1]
    again = f"  ({len(group):,} times, until {_moment(last)})" if len(group) > 1 else ""
    return f"{_moment(first)}  {text}{again}"


def _moment(at: datetime) -> str:
    return f"{at:%m-%d %H:%M:%S}"


def _shortened(lines: list[str]) -> list[str]:
    """The beginning and the end of many lines."""
    if len(lines) <= MOST_LINES:
        return lines
    half = MOST_LINES // 2
    return [*lines[:half], f"… {len(lines) - 2 * half:,} lines more …", *lines[-half:]]
