"""A job's schedule in the light of its id, its jitter and its answer to misfires."""

from datetime import datetime, timedelta
from typing import Literal, Self

from attrs import evolve, frozen

from nexo_poller import slots
from nexo_poller.schedule import At, Cron, Every

Misfire = Literal["run", "skip"]
SHORTEST_HINT = timedelta(seconds=1)
LONGEST_HINT = timedelta(hours=24)


@frozen
class Due:
    """A slot as the schedule has it, and the moment (slot plus jitter, or a retry) at which to run it."""

    slot: datetime
    at: datetime


@frozen(kw_only=True)
class Timetable:
    """When a job runs. `schedule` is anchored at the creation of the job's state."""

    job_id: str
    schedule: Every | Cron | At
    jitter: timedelta
    misfire: Misfire = "run"

    def anchored(self, created_at: datetime) -> Self:
        """The same, with the slots of an `every` schedule counted from `created_at`."""
        return evolve(self, schedule=self.schedule.anchored(created_at))

    def first(self, now: datetime) -> Due | None:
        """What is due first for a job without state: an `every` job runs at once."""
        return self._due(slots.first_slot(self.schedule, now))

    def after(self, moment: datetime) -> Due | None:
        """The first slot strictly after `moment`; None: there is none."""
        return self._due(self.schedule.next_slot(moment))

    def rescheduled(self, now: datetime) -> Due | None:
        """What is due after the schedule was changed: an `at` is armed again."""
        return self._due(self.schedule.at) if isinstance(self.schedule, At) else self.after(now)

    def restarted(self, now: datetime) -> Due | None:
        """What is due after a reset: an `at` is armed again, and if it has passed, for now (T8)."""
        return self._due(max(self.schedule.at, now)) if isinstance(self.schedule, At) else self.after(now)

    def hinted(self, hint: timedelta, now: datetime) -> Due:
        """The one wait that a poller asked for; the phase resumes after it (T4)."""
        slot = now + min(max(hint, SHORTEST_HINT), LONGEST_HINT)
        return Due(slot, slot)

    def is_overdue(self, slot: datetime, now: datetime) -> bool:
        """Whether the slot after `slot` has come too (T5)."""
        return slots.is_overdue(self.schedule, slot, now)

    def interval(self, slot: datetime) -> timedelta:
        """The gap that lease, backoff and `interval_hint` go by (T9)."""
        return slots.interval(self.schedule, slot)

    def _due(self, slot: datetime | None) -> Due | None:
        return None if slot is None else Due(slot, slots.start(self.schedule, self.job_id, slot, self.jitter))
