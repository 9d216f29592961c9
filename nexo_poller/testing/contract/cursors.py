"""A poller's memory is its cursor, all of it, and it stays small."""

from collections.abc import Callable
from typing import Any, Final

from nexo_poller.errors import ConfigError
from nexo_poller.testing.contract.trial import LONGEST_SHOWN, Trial, memory
from nexo_poller.testing.result import TickResult
from nexo_poller.words import counted

SETTLED_TICKS: Final = 20
MOST_TICKS: Final = 2_000
ROUND_TRIPS: Final = 2  # the tick that reads a cursor writes the next one


def said(result: TickResult) -> tuple[Any, ...]:
    """What of a tick must come again when the tick does."""
    return result.next_cursor, result.deliveries, result.published, type(result.error)


async def check_repeats(trial: Trial, first: TickResult) -> bool:
    """The tick that was killed before its commit is run again, by a process that knows nothing of it, and says the same."""
    again = await trial.tick()
    if said(again) == said(first):
        return True
    before, after = trial.memory, memory(trial.poller)
    changed = [f"self.{name} is {after[name]}" for name in after if before.get(name) != after[name]]
    where = f" ({', '.join(changed)})" if changed else ""
    trial.wrong(
        f"It keeps state on self between ticks{where}, or elsewhere than in its cursor: run again on the same cursor and the "
        f"same answers, a tick that had {_told(first)} had {_told(again)}{_first_difference(first, again)}.",
        "Keep what must be remembered in the cursor: it is saved with the messages, or not at all; one instance serves all "
        "jobs of its kind, and the next one may be in another process. Let neither chance nor a clock decide what is sent: "
        "the time of a tick is `ctx.now`.",
    )
    return False


async def check_round_trip(trial: Trial, first: TickResult) -> None:
    """What a tick leaves, the next one must be able to read."""
    cursor = first.next_cursor
    if cursor is None:
        return
    remedy = "Read with one function what another one writes, and try that they are each other's reverse."
    seen = {cursor}
    for _ in range(ROUND_TRIPS):
        with trial.watch.profiling():  # a tick without news may go another way
            following = await trial.tick(cursor)
        fault = _refused(trial, cursor) or _failed(following)
        if not fault and following.next_cursor in seen:  # or else it counts, as a reminder may
            fault = _misread(first, following)
            if fault and await _shows_in_requests(trial, cursor):
                fault = ""
        if fault:
            trial.wrong(f"Its cursor does not round-trip: {fault}", remedy)
            return
        cursor = following.next_cursor or cursor
        seen.add(cursor)


async def _shows_in_requests(trial: Trial, cursor: bytes) -> bool:
    """Whether servers are told of the cursor, by an ETag or a time, so that what comes again is their answer."""
    asked, told = trial.harness.http.requests, []
    for given in (None, cursor):
        before = len(asked)
        await trial.tick(given)
        told.append([(one.method, one.url, one.headers, one.content) for one in asked[before:]])
    return told[0] != told[1]


async def check_growth(trial: Trial, news: Callable[[int], object], most_bytes: int) -> None:
    """However long it runs, the cursor has an end."""
    cursor: bytes | None = None
    largest, since, n = 0, 0, 0
    while n < MOST_TICKS and since < SETTLED_TICKS and largest <= most_bytes:
        n += 1
        news(n)
        cursor = (await trial.tick(cursor)).next_cursor
        size = len(cursor or b"")
        largest, since = (size, 0) if size > largest else (largest, since + 1)
    if since < SETTLED_TICKS:
        trial.wrong(
            f"Its cursor is unbounded: after {n} ticks with news it has {largest:,} bytes, and still grows.",
            "Keep a mark (the newest id or time), or the last so many ids. If it does have an end beyond that, say so with "
            "`most_cursor_bytes`.",
        )


def _refused(trial: Trial, cursor: bytes) -> str:
    """Why an operator could not set the cursor, if it is so."""
    try:
        trial.poller.validate_cursor(cursor)
    except ConfigError as error:
        return f"validate_cursor refuses its own {shown(cursor)}: {error}"
    except Exception as error:  # noqa: BLE001 - a bug of its own
        return f"validate_cursor fails with its own {shown(cursor)}: {type(error).__name__}: {error}"
    return ""


def _failed(following: TickResult) -> str:
    """With what a tick failed on the cursor of another one, if it did."""
    if following.error is None:
        return ""
    cause = following.error.__cause__ or following.error
    return f"given its own {shown(following.cursor)}, it fails with {type(cause).__name__}: {cause}"


def _misread(first: TickResult, following: TickResult) -> str:
    """What a tick after the `first` sent once more, if it did."""
    again = sent(first)
    if not again or sent(following) != again:
        return ""
    return (
        f"given its own {shown(following.cursor)}, it sends the same {counted(len(again), 'message')} once more, although "
        "there is nothing new."
    )


def sent(result: TickResult) -> tuple[Any, ...]:
    """What a tick sends, in either way."""
    return *result.deliveries, *result.published


def _told(result: TickResult) -> str:
    return f"{counted(len(sent(result)), 'message')} and the cursor {shown(result.next_cursor)}"


def _first_difference(first: TickResult, again: TickResult) -> str:
    """The first message that is another one, if there are as many."""
    pairs = zip(sent(first), sent(again), strict=False)
    return next((f"; the message {one} became {other}" for one, other in pairs if one != other), "")


def shown(cursor: bytes | None) -> str:
    """A cursor as messages show it, which may be long."""
    return repr(cursor if cursor is None else cursor[:LONGEST_SHOWN])
