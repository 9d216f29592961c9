"""When a zone's clocks show the wall times that a cron pattern names (T7).

A zone's clock can jump forwards over wall times (a gap) and go back to show some twice (an overlap), by an hour or by
half of one, at any time of day, or by a whole day. What that means for a job is decided by its pattern:

    wildcard    runs whenever the clock shows a named wall time: twice in an overlap, not at all in a gap
    fixed       runs once for each named wall time: in an overlap the first time, after a gap at the first instant;
                several that fall into one gap are one run

Seen as instants, the first showings of ascending wall times ascend too. That is what lets both kinds walk forwards over
wall times instead of over instants. zoneinfo tells gap and overlap by `fold` (PEP 495).
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import frozen

from nexo_poller.walltimes import WallTimes

SECOND = timedelta(seconds=1)


def next_instant(times: WallTimes, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first instant strictly later than `after` (aware) at which such a job is due; UTC, whole seconds.

    None if datetime's range ends first.
    """
    following = _next_wildcard if times.is_wildcard else _next_fixed
    try:
        instant = following(times, zone, after.astimezone(zone).replace(microsecond=0))
    except OverflowError:
        return None
    assert instant is None or instant > after, (times, zone, after, instant)  # noqa: S101 - time never stands still (T6)
    return instant


def _next_fixed(times: WallTimes, zone: ZoneInfo, local: datetime) -> datetime | None:
    overlap = _overlap(zone, local) if local.fold else None  # all of it was shown, and run, the first time
    wall = times.at_or_after(overlap.end if overlap else _wall(local) + SECOND)
    return None if wall is None else _first_showing(zone, wall)


def _next_wildcard(times: WallTimes, zone: ZoneInfo, local: datetime) -> datetime | None:
    wall = times.at_or_after(_wall(local) + SECOND)
    if overlap := _overlap(zone, local):
        if wall and wall < overlap.end:
            return _showing(zone, wall, local.fold)
        again = times.at_or_after(overlap.start)
        if local.fold == 0 and again and again < overlap.end:
            return _showing(zone, again, 1)
    while wall:
        instant = _first_showing(zone, wall)
        shown = _wall(instant.astimezone(zone))
        if shown == wall:
            return instant
        wall = times.at_or_after(shown)  # the gap that it fell into ends here
    return None


@frozen
class Overlap:
    """The wall times that are shown twice: from `start` on, before `end`."""

    start: datetime
    end: datetime


def _overlap(zone: ZoneInfo, local: datetime) -> Overlap | None:
    first, second = (_showing(zone, _wall(local), fold) for fold in (0, 1))
    if first == second:
        return None
    start = _wall(_change(zone, first, second).astimezone(zone))
    return Overlap(start, start + (second - first))


def _first_showing(zone: ZoneInfo, wall: datetime) -> datetime:
    """The instant at which the clock first shows `wall`; for one in a gap, the gap's end."""
    instant = _showing(zone, wall, 0)
    if _wall(instant.astimezone(zone)) == wall:
        return instant
    return _change(zone, _showing(zone, wall, 1), instant)  # in a gap, fold=1 is the earlier one


def _change(zone: ZoneInfo, earlier: datetime, later: datetime) -> datetime:
    """The instant, in (earlier, later], from which on the zone has the offset that it has at `later`."""
    new = later.astimezone(zone).utcoffset()
    while later - earlier > SECOND:
        middle = earlier + (later - earlier) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == new:
            later = middle
        else:
            earlier = middle
    return later


def _showing(zone: ZoneInfo, wall: datetime, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _wall(local: datetime) -> datetime:
    return local.replace(tzinfo=None, fold=0)
