"""What follows from one slot of a schedule: when it starts, when it is overdue, how long it is until the next (T3, T5, T9)."""

from datetime import datetime, timedelta
from hashlib import blake2b

from nexo_poller.schedule import EPOCH, MILLISECOND, At, Cron, Every

AT_INTERVAL = timedelta(seconds=60)


def first_slot(schedule: Every | Cron | At, now: datetime) -> datetime | None:
    """The first slot of a job without state: an `every` job's is now, as its anchor, an `at` job's its instant, even past."""
    match schedule:
        case Every():
            return schedule.anchored(now).anchor
        case Cron():
            return schedule.next_slot(now)
        case At():
            return schedule.at


def interval(schedule: Every | Cron | At, slot: datetime) -> timedelta:
    """What lease, backoff and `interval_hint` go by (T9): the gap to the following slot; 60 s if there is none."""
    match schedule:
        case Every():
            return schedule.interval
        case Cron():
            following = schedule.next_slot(slot)
            return following - slot if following else AT_INTERVAL
        case At():
            return AT_INTERVAL


def start(schedule: Every | Cron | At, job_id: str, slot: datetime, jitter: timedelta) -> datetime:
    """The slot plus its jitter, in [0, min(`jitter`, half the gap to the following slot)), whole milliseconds (T3).

    The same in every process, so that all daemons on a store agree. An `at` job has no jitter.
    """
    if isinstance(schedule, At):
        return slot
    room = min(jitter, interval(schedule, slot) / 2) // MILLISECOND
    if room < 1:
        return slot
    chance = blake2b(f"{job_id} {(slot - EPOCH) // MILLISECOND}".encode(), digest_size=8).digest()
    return slot + int.from_bytes(chance) % room * MILLISECOND


def is_overdue(schedule: Every | Cron | At, slot: datetime, now: datetime) -> bool:
    """Whether by `now` the slot after `slot` has come too; for `at`, whether it is 60 s late (T5)."""
    following = slot + AT_INTERVAL if isinstance(schedule, At) else schedule.next_slot(slot)
    return following is not None and following <= now
