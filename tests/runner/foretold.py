"""What a job's timeline must be, worked out from the rules alone: slots by brute force, one tick after the other.

Written from T1-T10 and R6, sharing no line with the library; the only borrowed fact is which hash makes the jitter (T3).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from random import Random
from typing import Any, Literal

from attrs import frozen
from brute_force import slots_between

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
BEYOND = timedelta(hours=3)  # far enough to know half the gap after the last slot, where that is less than a jitter
SOME_DAY = timedelta(days=365)
LATE_FOR_AT = timedelta(seconds=60)

Status = Literal["ok", "transient", "permanent", "skipped"]


@frozen(kw_only=True)
class Plan:
    """What a tick is to do: take so long, end so, and ask for such a wait (None: the schedule's own)."""

    status: Status
    takes: timedelta
    wait: timedelta | None = None


@frozen(kw_only=True)
class Entry:
    """A job as the file has it."""

    id: str
    schedule: Mapping[str, Any]
    misfire: Literal["run", "skip"]


@frozen(kw_only=True)
class Foretold:
    """One tick."""

    slot: datetime
    began: datetime
    ended: datetime
    status: Status


@cache
def plan(job_id: str, n: int) -> Plan:
    """What the `n`-th tick of a job does: mostly well and fast, every kind of trouble now and then."""
    luck = Random(f"{job_id} {n}")
    takes = luck.choice([0, 0, 1, 20]) * SECOND
    match luck.random():
        case x if x < 0.10:  # longer than any backoff that a few errors in a row come to, so that it is exact
            return Plan(status="transient", takes=takes, wait=luck.randint(500_000, 9_000_000) * MILLISECOND)
        case x if x < 0.13:
            return Plan(status="skipped", takes=takes, wait=luck.randint(1, 3600) * SECOND)
        case x if x < 0.16:
            return Plan(status="ok", takes=takes, wait=luck.choice([0, luck.randint(1, 30 * 3600)]) * SECOND)
        case x if x < 0.19:
            return Plan(status="ok", takes=luck.randint(60, 3000) * SECOND)
        case x if x < 0.192:
            return Plan(status="permanent", takes=takes)
        case _:
            return Plan(status="ok", takes=takes)


def timeline(job: Entry, start: datetime, end: datetime) -> tuple[list[Foretold], int]:
    """The ticks of a job that was new at `start`, up to `end`, and how many times it moved on without one."""
    slots = _slots(tuple(job.schedule.items()), start, end)
    is_at, ticks, moves = "at" in job.schedule, list[Foretold](), 0
    slot: datetime | None = slots[0] if is_at or "every_secs" in job.schedule else _after(slots, start)
    due, is_retry, free = _jittered(job, slots, slot), False, start
    while slot and due and (began := max(due, free)) < end:
        if job.misfire == "skip" and not is_retry and _is_overdue(slots, slot, began, is_at=is_at):
            moves += 1
            slot = _after(slots, began)
            due = _jittered(job, slots, slot)
            continue
        now = plan(job.id, len(ticks))
        free = began + now.takes
        ticks.append(Foretold(slot=slot, began=began, ended=free, status=now.status))
        following = _after(slots, began)
        if now.status == "permanent":
            break
        if now.status == "transient" or (now.status == "skipped" and following is None):
            due, is_retry = free + (now.wait or timedelta()), True
        elif now.status == "ok" and now.wait is not None and following is not None:
            slot = due = free + min(max(now.wait, SECOND), timedelta(hours=24))
            is_retry = False
        else:
            slot, is_retry = following, False
            due = _jittered(job, slots, slot)
    return ticks, moves


@cache
def _slots(schedule: tuple[tuple[str, Any], ...], start: datetime, end: datetime) -> Sequence[datetime]:
    if schedule[0][0] == "at":
        return slots_between(dict(schedule), start, EPOCH, end)
    return [*slots_between(dict(schedule), start, start, end + BEYOND), end + SOME_DAY]


def _after(slots: Sequence[datetime], moment: datetime) -> datetime | None:
    index = bisect_right(slots, moment)
    return slots[index] if index < len(slots) else None


def _is_overdue(slots: Sequence[datetime], slot: datetime, now: datetime, *, is_at: bool) -> bool:
    following = slot + LATE_FOR_AT if is_at else _after(slots, slot)
    return following is not None and following <= now


def _jittered(job: Entry, slots: Sequence[datetime], slot: datetime | None) -> datetime | None:
    jitter = timedelta(milliseconds=job.schedule.get("stagger_jitter_ms", 0))
    if slot is None or not jitter:
        return slot
    following = _after(slots, slot)
    room = min(jitter, (following - slot) / 2 if following else jitter) // MILLISECOND
    digest = blake2b(f"{job.id} {(slot - EPOCH) // MILLISECOND}".encode(), digest_size=8).digest()
    return slot + int.from_bytes(digest) % room * MILLISECOND


def entries(start: datetime) -> Iterator[Entry]:
    """A hundred jobs: `every`, `cron` and `at`, with and without jitter, that run what they missed or skip it."""
    for n in range(100):
        luck = Random(n)
        jitter = {"stagger_jitter_ms": luck.choice([90_000, 3_600_000])} if n % 3 == 0 else {"stagger_jitter_ms": 0}
        misfire: Literal["run", "skip"] = "skip" if n % 4 == 0 else "run"
        if n < 40:
            schedule: Mapping[str, Any] = {"every_secs": luck.choice(INTERVALS) * 60 + n, **jitter}
        elif n < 90:
            cron, zone = CRONS[n % len(CRONS)]
            schedule = {"cron": cron, "tz": zone, **jitter}
        else:
            schedule = {"at": (start + timedelta(minutes=luck.randint(-100, 9_000))).isoformat()}
        yield Entry(id=f"job-{n}", schedule=schedule, misfire=misfire)


INTERVALS = (12, 20, 30, 45, 60, 90, 240, 1500)
CRONS = (  # most look for the hours that a zone skips or repeats in the week of the test
    ("0 30 2 * * *", "Europe/Berlin"),
    ("15 */20 * * * *", "Europe/Berlin"),
    ("0 0 9,17 * * mon-fri", "Europe/Berlin"),
    ("0 0 0 * * *", "Asia/Beirut"),
    ("0 10,50 1,2 * * ?", "Antarctica/Troll"),
    ("0 15,45 2 * * *", "Australia/Sydney"),
    ("0 30 2 1,5 * sat", "Australia/Sydney"),
    ("0 40,50 1 * * *", "Australia/Lord_Howe"),
    ("0 0 */3 * * *", "Australia/Lord_Howe"),
    ("0 50 2 * * *", "Pacific/Chatham"),
    ("30 5/25 * * * *", "America/St_Johns"),
    ("0 0 12 L * ?", "UTC"),
    ("0 0 8 1 apr ?", "America/New_York"),
)
