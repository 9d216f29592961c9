"""The wall times of a cron pattern, walked over the calendar. A wall time is what clocks show: a naive datetime."""

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import MAXYEAR, date, datetime, time

from attrs import frozen

EVERY = 0  # beside a weekday: each one of the month; 1 ... 5 is the first ... fifth
LAST = -1  # beside a weekday: the last one of the month; as a day: the last day of the month
DAYS_OF_WEEK = 7


@frozen(kw_only=True)
class WallTimes:
    """Second, minute, hour, day and month of the wall times that are named. Tuples ascend; weekdays count from Sunday, 0.

    `days` may hold `LAST`; `weekdays` pairs a weekday with `EVERY`, `LAST` or 1 ... 5. With `either_day`, one of the two
    is enough. `is_wildcard`: the hour or the minute field starts with `*` (T7).
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: tuple[int, ...]
    weekdays: frozenset[tuple[int, int]]
    either_day: bool
    is_wildcard: bool

    def at_or_after(self, wall: datetime) -> datetime | None:
        """The first named wall time not earlier than `wall` (naive, whole seconds); None if the calendar ends first."""
        today = wall.date()
        for day in self._days_from(today):
            clock = self._clock_from(wall.time()) if day == today else self._clock_from(time())
            if clock:
                return datetime.combine(day, clock)
        return None

    def ever_matches(self) -> bool:
        """Whether any day at all is named: every month meets every weekday and, in time, a leap year."""
        return any(
            self._names(day, (first + day) % DAYS_OF_WEEK, length)
            for month in self.months
            for length in {monthrange(year, month)[1] for year in (2023, 2024)}
            for first in range(DAYS_OF_WEEK)
            for day in range(1, length + 1)
        )

    def _days_from(self, start: date) -> Iterator[date]:
        for year in range(start.year, MAXYEAR + 1):
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                first_weekday, length = monthrange(year, month)  # Monday is 0
                first = start.day if (year, month) == (start.year, start.month) else 1
                for day in range(first, length + 1):
                    if self._names(day, (first_weekday + day) % DAYS_OF_WEEK, length):
                        yield date(year, month, day)

    def _names(self, day: int, weekday: int, length: int) -> bool:
        by_day = day in self.days or (day == length and LAST in self.days)
        in_month = (day - 1) // DAYS_OF_WEEK + 1
        places = {(weekday, EVERY), (weekday, in_month), (weekday, LAST if day + DAYS_OF_WEEK > length else EVERY)}
        by_weekday = not places.isdisjoint(self.weekdays)
        return by_day or by_weekday if self.either_day else by_day and by_weekday

    def _clock_from(self, least: time) -> time | None:
        if least.hour in self.hours:
            if least.minute in self.minutes and (second := _at_least(least.second, self.seconds)) is not None:
                return time(least.hour, least.minute, second)
            if (minute := _at_least(least.minute + 1, self.minutes)) is not None:
                return time(least.hour, minute, self.seconds[0])
        if (hour := _at_least(least.hour + 1, self.hours)) is not None:
            return time(hour, self.minutes[0], self.seconds[0])
        return None


def _at_least(least: int, ascending: Sequence[int]) -> int | None:
    index = bisect_left(ascending, least)
    return ascending[index] if index < len(ascending) else None
