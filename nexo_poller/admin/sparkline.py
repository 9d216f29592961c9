"""The latest ticks of a job as a small picture: geometry and words, no markup.

A bar a tick, the newest at the right edge. A bar stands on the base line and is as high as the square root of its
duration, so that one tick of five minutes does not flatten a hundred of a tenth of a second. What failed also hangs
below the line, and what was skipped is a dot on it: the outcome shows without any colour.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from statistics import median
from typing import Final, Literal

from attrs import frozen

from nexo_poller.state import Status
from nexo_poller.store import TickRecord
from nexo_poller.words import took

Outcome = Literal["ok", "failed", "skipped"]

TICKS: Final = 50
STEP: Final = 3  # a bar of 2 and a gap of 1
WIDTH: Final = TICKS * STEP
HEIGHT: Final = 22
BASE: Final = 17
HIGHEST: Final = BASE - 1
LOWEST: Final = 2  # a tick that took no time is still to be seen
OUTCOMES: Final[dict[Status, Outcome]] = {
    "ok": "ok",
    "transient": "failed",
    "permanent": "failed",
    "skipped": "skipped",
}


@frozen(kw_only=True)
class Bar:
    """One tick: `x` is its left edge, `top` and `bottom` count down from the upper edge of the picture."""

    outcome: Outcome
    x: int
    top: int
    bottom: int


@frozen(kw_only=True)
class Sparkline:
    """The picture. `paths` has the data of one SVG path for each outcome there is; `label` says all of it in words."""

    paths: dict[Outcome, str]
    label: str


def sparkline(ticks: Sequence[TickRecord]) -> Sparkline:
    """The picture of the first `TICKS` of `ticks`, which are newest first."""
    shown = ticks[:TICKS]
    paths: dict[Outcome, str] = {}
    for bar in bars(shown):
        paths[bar.outcome] = f"{paths.get(bar.outcome, '')}M{bar.x} {bar.top}h2v{bar.bottom - bar.top}h-2z"
    return Sparkline(paths=paths, label=label(shown))


def bars(ticks: Sequence[TickRecord]) -> Iterator[Bar]:
    """The bars, newest first."""
    longest = max((tick.duration for tick in ticks), default=timedelta())
    for n, tick in enumerate(ticks, start=1):
        outcome, x = OUTCOMES[tick.status], WIDTH - n * STEP
        if outcome == "skipped":
            yield Bar(outcome=outcome, x=x, top=BASE - 1, bottom=BASE + 1)
        else:
            top = BASE - _height(tick.duration, longest)
            yield Bar(outcome=outcome, x=x, top=top, bottom=HEIGHT if outcome == "failed" else BASE)


def label(ticks: Sequence[TickRecord]) -> str:
    """The picture in words: how many ended how, how long they took, and how the newest ended."""
    if not ticks:
        return "no ticks yet"
    counts = Counter(OUTCOMES[tick.status] for tick in ticks)
    outcomes = ", ".join(f"{counts[name]} {name}" for name in ("ok", "failed", "skipped") if counts[name])
    durations = [tick.duration / timedelta(microseconds=1) for tick in ticks]
    usual, longest = (timedelta(microseconds=length) for length in (median(durations), max(durations)))
    plural = "" if len(ticks) == 1 else "s"
    return (
        f"{len(ticks)} tick{plural}: {outcomes}; median {took(usual)}, longest {took(longest)}; "
        f"newest {OUTCOMES[ticks[0].status]}"
    )


def _height(duration: timedelta, longest: timedelta) -> int:
    share: float = (duration / longest) ** 0.5 if longest else 0.0
    return LOWEST + round(share * (HIGHEST - LOWEST))
