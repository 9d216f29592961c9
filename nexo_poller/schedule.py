"""When a job is due: `Every`, `Cron` and `At`, and how the `schedule:` mapping of a job becomes one of them.

A slot is one due time of a schedule (T1), without jitter: an aware UTC datetime of whole milliseconds, the resolution
of the store.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar, assert_never
from zoneinfo import ZoneInfo, available_timezones

from attrs import Attribute, evolve, field, frozen
from attrs.validators import ge, optional

from nexo_poller.cron import expand
from nexo_poller.daylight import next_instant
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.of_type import of_type
from nexo_poller.walltimes import WallTimes

T = TypeVar("T")
PLAIN_UTC = ZoneInfo("UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_TIME = timedelta()
MILLISECOND = timedelta(milliseconds=1)
LONGEST_SECS = 3650 * 24 * 3600  # beyond ten years a number is a slip of the pen, not a schedule
AT_EXAMPLE = "2026-04-26T15:00:00Z"
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(?P<offset>Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE
)
NEEDS_OFFSET = Problem(what="at has no offset from UTC", remedy="append Z for UTC, or an offset such as +02:00")


def _utc_ms(moment: datetime) -> datetime:
    if not isinstance(moment, datetime):
        raise TypeError(f"an aware datetime is wanted, not {moment!r}; parse_schedule reads text")
    if moment.tzinfo is None:
        raise ConfigError(NEEDS_OFFSET)
    return EPOCH + (moment - EPOCH) // MILLISECOND * MILLISECOND


def _one_spaced(expression: str) -> str:
    if not isinstance(expression, str):
        raise _no_cron(expression)
    return " ".join(expression.split())


def _whole_ms(_schedule: object, attribute: "Attribute[timedelta]", length: timedelta) -> None:
    if length < MILLISECOND or length % MILLISECOND:
        raise ValueError(f"{attribute.name} is one or more whole milliseconds, not {length}")


JITTER = optional([of_type(timedelta, write="timedelta(seconds=5)"), ge(NO_TIME)])


@frozen
class Every:
    """Slots at `anchor + k * interval`, for every whole k.

    `interval` is a whole number of milliseconds; the anchor is cut to them. `jitter` None means the settings' own.
    """

    interval: timedelta = field(validator=[of_type(timedelta, write="timedelta(seconds=60)"), _whole_ms])
    anchor: datetime = field(default=EPOCH, converter=_utc_ms, kw_only=True)
    jitter: timedelta | None = field(default=None, validator=JITTER, kw_only=True)

    @property
    def fingerprint(self) -> str:
        """What the store compares to see whether a job's schedule was changed (T2)."""
        return f"every {self.interval // MILLISECOND} ms"

    def anchored(self, created_at: datetime) -> "Every":
        """This schedule with the anchor that T1 asks for: the creation (aware) of the job's state."""
        return evolve(self, anchor=created_at)

    def next_slot(self, after: datetime) -> datetime | None:
        """The first slot strictly later than `after` (aware); None at the end of datetime's range."""
        slots_passed = (after - self.anchor) // self.interval
        try:
            return self.anchor + (slots_passed + 1) * self.interval
        except OverflowError:
            return None


@frozen
class Cron:
    """Slots at the instants that a six-field cron expression names in a zone (T6, T7).

    `jitter` None means the settings' own. Raises `ConfigError`, with every problem, for a bad expression.
    """

    expression: str = field(converter=_one_spaced)
    zone: ZoneInfo = field(default=PLAIN_UTC, validator=of_type(ZoneInfo, write='ZoneInfo("Europe/Berlin")'))
    jitter: timedelta | None = field(default=None, validator=JITTER, kw_only=True)
    _times: WallTimes = field(init=False, eq=False, repr=False)

    @_times.default
    def _expanded(self) -> WallTimes:
        return expand(self.expression)

    @property
    def fingerprint(self) -> str:
        """What the store compares to see whether a job's schedule was changed (T2)."""
        return f"cron {self.expression} {self.zone}"

    def anchored(self, created_at: datetime) -> "Cron":  # noqa: ARG002 - the schedules share one interface
        """This schedule: its slots are fixed by the calendar."""
        return self

    def next_slot(self, after: datetime) -> datetime | None:
        """The first slot strictly later than `after` (aware); None at the end of datetime's range."""
        return next_instant(self._times, self.zone, after)


@frozen
class At:
    """One slot, at `at` (aware, cut to milliseconds)."""

    at: datetime = field(converter=_utc_ms)

    @property
    def fingerprint(self) -> str:
        """What the store compares to see whether a job's schedule was changed (T2)."""
        return f"at {self.at.isoformat()}"

    @property
    def jitter(self) -> timedelta:
        """None at all: whoever names an instant means it."""
        return NO_TIME

    def anchored(self, created_at: datetime) -> "At":  # noqa: ARG002 - the schedules share one interface
        """This schedule: its slot is fixed."""
        return self

    def next_slot(self, after: datetime) -> datetime | None:
        """The one slot, if it is strictly later than `after` (aware)."""
        return self.at if self.at > after else None


def as_mapping(schedule: Every | Cron | At) -> dict[str, Any]:
    """The mapping that `parse_schedule` would make this schedule of, in its shortest form."""
    match schedule:
        case Every(interval):
            seconds = interval / timedelta(seconds=1)
            form: dict[str, Any] = {"every_secs": int(seconds) if seconds.is_integer() else seconds}
        case Cron(expression, zone):
            form = {"cron": expression} if zone == PLAIN_UTC else {"cron": expression, "tz": str(zone)}
        case At(at):
            return {"at": at.isoformat().replace("+00:00", "Z")}
        case _:
            assert_never(schedule)
    return form if schedule.jitter is None else {**form, "stagger_jitter_ms": schedule.jitter // MILLISECOND}


def parse_schedule(mapping: Mapping[str, Any]) -> Every | Cron | At:
    """The schedule that a `schedule:` mapping describes, in one of three forms.

        {every_secs: N, stagger_jitter_ms?}
        {cron: "sec min hour dom mon dow", tz?, stagger_jitter_ms?}
        {at: RFC 3339, or an aware datetime, which is what YAML makes of an unquoted one}

    Raises `ConfigError` with every problem; the `key` of each is the path inside `mapping`.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(
            Problem(what=f"the schedule is {mapping!r}", remedy="it must be a mapping, such as {every_secs: 60}")
        )
    problems = [*_unknown_keys(mapping), *_key_clashes(mapping)]

    def read(key: str, parse: Callable[[Any], T]) -> T | None:
        if key not in mapping:
            return None
        try:
            return parse(mapping[key])
        except ConfigError as error:
            problems.extend(evolve(problem, key=(key,)) for problem in error.problems)
            return None

    jitter = read("stagger_jitter_ms", _jitter)
    interval = read("every_secs", _interval)
    zone = read("tz", _zone)
    cron = read("cron", Cron)
    at = read("at", _at)
    if problems:
        raise ConfigError(*problems)
    if interval is not None:
        return Every(interval, jitter=jitter)
    if cron is not None:
        return evolve(cron, zone=zone or cron.zone, jitter=jitter)
    assert at is not None  # noqa: S101 - exactly one of the three is there, or there are problems
    return at


FORMS = ("every_secs", "cron", "at")
COMPANIONS = {"tz": ("cron",), "stagger_jitter_ms": ("every_secs", "cron")}


def _unknown_keys(mapping: Mapping[str, Any]) -> Iterable[Problem]:
    known = [*FORMS, *COMPANIONS]
    for key in mapping:
        if key not in known:
            remedy = _suggestion(str(key), known) or f"known keys: {', '.join(known)}"
            yield Problem(what=f"unknown key '{key}'", remedy=remedy, key=(key,))


def _key_clashes(mapping: Mapping[str, Any]) -> Iterable[Problem]:
    forms = [form for form in FORMS if form in mapping]
    if len(forms) != 1:
        found = f"has {' and '.join(forms)}" if forms else "does not say when"
        yield Problem(what=f"the schedule {found}", remedy="give exactly one of every_secs, cron and at")
        return
    for companion, places in COMPANIONS.items():
        if companion in mapping and forms[0] not in places:
            yield Problem(
                what=f"{companion} means nothing beside {forms[0]}",
                remedy=f"remove it; it goes with {' or '.join(places)}",
                key=(companion,),
            )


def _suggestion(word: str, known: Iterable[str]) -> str:
    by_lowercase = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lowercase, n=1)
    return f"did you mean '{by_lowercase[near[0]]}'?" if near else ""


def _interval(secs: Any) -> timedelta:
    return timedelta(milliseconds=round(_number("every_secs", secs, least=0.001, most=LONGEST_SECS) * 1000))


def _jitter(ms: Any) -> timedelta:
    return timedelta(milliseconds=round(_number("stagger_jitter_ms", ms, least=0, most=LONGEST_SECS * 1000)))


def _number(name: str, value: Any, *, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ConfigError(Problem(what=f"{name} is {value!r}", remedy=f"use a number from {least:g} to {most}"))
    return value


def _zone(key: Any) -> ZoneInfo:
    if not isinstance(key, str) or key not in _zone_keys():
        remedy = _suggestion(str(key), _zone_keys()) or "use an IANA name such as Europe/Berlin"
        raise ConfigError(Problem(what=f"unknown tz {key!r}", remedy=remedy))
    return ZoneInfo(key)


@cache
def _zone_keys() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})  # files on some systems, but no places


def _at(value: Any) -> At:
    if isinstance(value, datetime):
        return At(value)
    text = RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if text is None:
        raise _no_instant(value)
    if text["offset"] is None:
        raise ConfigError(NEEDS_OFFSET)
    try:
        return At(datetime.fromisoformat(value.upper()))
    except (ValueError, OverflowError) as error:
        raise _no_instant(value) from error


def _no_cron(value: Any) -> ConfigError:
    return ConfigError(Problem(what=f"cron is {value!r}", remedy='write it as "sec min hour dom mon dow"'))


def _no_instant(value: Any) -> ConfigError:
    return ConfigError(Problem(what=f"at is {value!r}, no RFC 3339 instant", remedy=f'write it like "{AT_EXAMPLE}"'))
