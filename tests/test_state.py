"""What becomes of a job's state after a tick: examples for each rule, and whole histories against a plain account."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.poller import TickAck, TickMetrics
from nexo_poller.state import (
    FIRED,
    AlertPolicy,
    JobState,
    Step,
    after_ack,
    after_manual_ack,
    after_manual_error,
    after_permanent,
    after_reset,
    after_silence,
    after_skip,
    after_transient,
)
from nexo_poller.timetable import Due

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DUE = Due(NOON, NOON + timedelta(seconds=3))
NEXT = Due(NOON + MINUTE, NOON + MINUTE)
POLICY = AlertPolicy(job_id="inbox", kind="rss", threshold=3, cooldown=HOUR)
NO_NEWS = TickAck()
FRESH = JobState(created_at=NOON, due=DUE)
FAILING = "⚠ poller `inbox` (kind=rss) failing: away"


def ack(state: JobState, now: datetime = NOON, *, following: Due | None = NEXT, answer: TickAck = NO_NEWS) -> Step:
    return after_ack(state, answer, now=now, following=following, policy=POLICY)


def transient(state: JobState, now: datetime = NOON) -> Step:
    return after_transient(state, "away", now=now, retry_at=now + MINUTE, policy=POLICY)


def permanent(state: JobState, now: datetime = NOON, *, following: Due | None = NEXT) -> Step:
    return after_permanent(state, "revoked", now=now, following=following, policy=POLICY)


def failed(times: int, state: JobState = FRESH, *, first: datetime = NOON, every: timedelta = MINUTE) -> list[Step]:
    """So many transient errors in a row."""
    steps: list[Step] = []
    for n in range(times):
        steps.append(transient(steps[-1].state if steps else state, first + n * every))
    return steps


class TestSuccess:
    def test_moves_on_and_forgets_errors(self) -> None:
        state = ack(failed(2)[-1].state, NOON + HOUR).state
        assert (state.due, state.is_retry) == (NEXT, False)
        assert (state.consecutive_errors, state.failing_since, state.last_error) == (0, None, None)
        assert (state.last_status, state.last_run_at, state.last_success_at) == ("ok", NOON + HOUR, NOON + HOUR)

    def test_takes_a_new_cursor_and_keeps_the_old_one_otherwise(self) -> None:
        first = ack(FRESH, answer=TickAck(next_cursor=b"7")).state
        assert ack(first).state.cursor == b"7"
        assert ack(first, answer=TickAck(next_cursor=b"")).state.cursor == b""

    def test_of_a_job_without_further_slots_fires_it(self) -> None:
        state = ack(FRESH, following=None).state
        assert (state.due, state.pause_reason, state.last_status) == (None, FIRED, "ok")


class TestTransientError:
    def test_keeps_the_slot_for_a_later_try_and_the_cursor_for_the_next_success(self) -> None:
        state = transient(evolve(FRESH, cursor=b"7")).state
        assert (state.due, state.is_retry, state.cursor) == (Due(NOON, NOON + MINUTE), True, b"7")
        assert (state.last_status, state.last_error, state.pause_reason) == ("transient", "away", None)

    def test_remembers_since_when_it_goes_on(self) -> None:
        assert {step.state.failing_since for step in failed(4)} == {NOON}


class TestAlerts:
    def test_come_at_the_threshold_then_once_a_cooldown_and_the_all_clear_once(self) -> None:
        steps = failed(10, every=timedelta(minutes=20))
        reminder = "⚠ poller `inbox` (kind=rss) still failing since 2026-03-01T12:00:00Z: away"
        assert [step.alert for step in steps] == [
            *[None, None, FAILING],
            *[None, None, reminder],
            *[None, None, reminder],
            None,
        ]
        well = ack(steps[-1].state)
        assert well.alert == "✔ poller `inbox` recovered after 10 errors"
        assert ack(well.state).alert is None

    def test_stay_away_below_the_threshold_and_so_does_the_all_clear(self) -> None:
        steps = failed(2)
        assert [step.alert for step in steps] == [None, None]
        assert ack(steps[-1].state).alert is None

    def test_of_a_second_row_wait_for_the_cooldown_of_the_first_and_do_not_call_it_a_reminder(self) -> None:
        well = ack(failed(3)[-1].state).state
        again = failed(7, well, first=NOON + 32 * MINUTE, every=10 * MINUTE)
        assert [step.alert for step in again] == [None, None, None, FAILING, None, None, None]

    def test_of_a_permanent_error_wait_for_nothing(self) -> None:
        alerted = failed(3)[-1].state
        first = permanent(FRESH)
        assert first.alert == "⚠ poller `inbox` (kind=rss) failing: revoked"
        assert permanent(alerted).alert == (
            "⚠ poller `inbox` (kind=rss) still failing since 2026-03-01T12:00:00Z: revoked"
        )
        assert ack(first.state).alert == "✔ poller `inbox` recovered after 1 errors"


class TestPermanentError:
    def test_pauses_with_its_words_and_moves_on_so_that_a_resume_does_not_repeat_the_slot(self) -> None:
        state = permanent(FRESH).state
        assert state.pause_reason == "permanent error: revoked; mend it, then `nexo-poller resume inbox`"
        assert (state.due, state.is_retry) == (NEXT, False)
        assert (state.last_status, state.consecutive_errors) == ("permanent", 1)

    def test_of_a_job_without_further_slots_fires_it(self) -> None:
        state = permanent(FRESH, following=None).state
        assert (state.due, state.pause_reason, state.last_error) == (None, FIRED, "revoked")


class TestSilence:
    POLICY = evolve(POLICY, stale_after=2 * HOUR)

    def silence(self, state: JobState, now: datetime) -> Step:
        return after_silence(state, now=now, policy=self.POLICY) or Step(state=state)

    def test_raises_an_alert_when_it_lasts_too_long_then_once_a_cooldown_and_the_all_clear_once(self) -> None:
        state, told = FRESH, list[str | None]()
        for n in range(1, 10):
            step = self.silence(state, NOON + n * HOUR / 2)
            state = step.state
            told.append(step.alert)
        why = "no success since 2026-03-01T12:00:00Z; nothing failed, it did not run"
        reminder = f"⚠ poller `inbox` (kind=rss) still failing since 2026-03-01T12:00:00Z: {why}"
        assert told == [
            *[None, None, None, f"⚠ poller `inbox` (kind=rss) failing: {why}"],
            *[None, reminder] * 2,
            None,
        ]
        well = ack(state)
        assert well.alert == "✔ poller `inbox` is back"
        assert ack(well.state).alert is None

    def test_is_counted_from_the_last_success_and_from_when_one_could_have_been(self) -> None:
        late = NOON + 3 * HOUR
        assert self.silence(FRESH, late).alert
        assert not self.silence(evolve(FRESH, last_success_at=NOON + 2 * HOUR), late).alert
        assert not self.silence(evolve(FRESH, awake_since=NOON + 2 * HOUR), late).alert

    def test_of_a_paused_job_is_as_it_should_be(self) -> None:
        assert not self.silence(evolve(FRESH, pause_reason="holiday"), NOON + 9 * HOUR).alert

    def test_without_a_limit_may_last_for_ever(self) -> None:
        assert after_silence(FRESH, now=NOON + 99 * HOUR, policy=POLICY) is None

    def test_shares_its_cooldown_with_failures_and_tells_the_last_of_them(self) -> None:
        state = evolve(failed(3)[-1].state, last_success_at=None)
        assert not self.silence(state, NOON + 2 * MINUTE + HOUR - timedelta(seconds=1)).alert
        assert self.silence(state, NOON + 2 * HOUR).alert == (
            "⚠ poller `inbox` (kind=rss) still failing since 2026-03-01T12:00:00Z: "
            "no success since 2026-03-01T12:00:00Z; away"
        )


class TestSkip:
    def test_gives_the_slot_up_and_counts_as_no_error(self) -> None:
        before = failed(1)[-1].state
        state = after_skip(before, "held", now=NOON + HOUR, following=NEXT).state
        assert (state.due, state.is_retry) == (NEXT, False)
        assert (state.consecutive_errors, state.failing_since) == (1, NOON)
        assert (state.last_status, state.last_error, state.last_run_at) == ("skipped", "held", NOON + HOUR)

    def test_to_the_same_slot_is_a_retry_which_no_misfire_may_skip(self) -> None:
        later = Due(NOON, NOON + HOUR)
        state = after_skip(FRESH, "held", now=NOON, following=later).state
        assert (state.due, state.is_retry) == (later, True)


class TestByHand:
    @pytest.mark.parametrize("pause_reason", [None, "paused by the operator", FIRED])
    def test_success_clears_errors_and_leaves_schedule_and_pause_alone(self, pause_reason: str | None) -> None:
        before = evolve(failed(3)[-1].state, pause_reason=pause_reason)
        step = after_manual_ack(before, TickAck(next_cursor=b"8"), now=NOON + HOUR, policy=POLICY)
        state = step.state
        assert (state.due, state.is_retry, state.pause_reason) == (before.due, before.is_retry, pause_reason)
        assert (state.cursor, state.consecutive_errors, state.alerts_sent) == (b"8", 0, 0)
        assert step.alert == "✔ poller `inbox` recovered after 3 errors"

    def test_failure_is_recorded_and_counts_as_nothing(self) -> None:
        before = failed(2)[-1].state
        step = after_manual_error(before, "permanent", "revoked", now=NOON + HOUR)
        recorded: dict[str, Any] = {
            "last_run_at": NOON + HOUR,
            "last_status": "permanent",
            "last_error": "revoked",
            "ticks_total": 3,
        }
        assert step == Step(state=evolve(before, **recorded))


def test_a_reset_job_starts_over_but_keeps_its_anchor_its_totals_and_its_cooldown() -> None:
    used = ack(FRESH, answer=TickAck(next_cursor=b"7", metrics=TickMetrics(items_seen=5, items_dispatched=2))).state
    paused = permanent(failed(3, used)[-1].state).state
    assert after_reset(paused, due=NEXT) == JobState(
        created_at=NOON,
        due=NEXT,
        last_alert_at=NOON,
        items_seen_total=5,
        items_dispatched_total=2,
        ticks_total=5,
    )


@frozen(kw_only=True)
class Account:
    """What an operator who reads every line of a job's history would know of it."""

    errors: int = 0
    alerts: int = 0
    last_alert: datetime | None = None
    seen: int = 0
    told: list[str | None] = field(factory=list)


Ending = Callable[[JobState, Account, datetime], tuple[Step, Account]]


def ends_well(state: JobState, account: Account, now: datetime) -> tuple[Step, Account]:
    step = ack(state, now, answer=TickAck(metrics=TickMetrics(items_seen=2, items_dispatched=1)))
    news = "recovered" if account.alerts else None
    return step, evolve(account, errors=0, alerts=0, seen=account.seen + 2, told=[*account.told, news])


def ends_badly(state: JobState, account: Account, now: datetime) -> tuple[Step, Account]:
    rested = account.last_alert is None or account.last_alert + HOUR <= now
    is_due = account.errors + 1 >= POLICY.threshold and rested
    return transient(state, now), _after_error(account, now, is_due=is_due)


def ends_for_good(state: JobState, account: Account, now: datetime) -> tuple[Step, Account]:
    return permanent(state, now), _after_error(account, now, is_due=True)


def is_held(state: JobState, account: Account, now: datetime) -> tuple[Step, Account]:
    return after_skip(state, "held", now=now, following=NEXT), evolve(account, told=[*account.told, None])


def fails_by_hand(state: JobState, account: Account, now: datetime) -> tuple[Step, Account]:
    return after_manual_error(state, "transient", "no", now=now), evolve(account, told=[*account.told, None])


def _after_error(account: Account, now: datetime, *, is_due: bool) -> Account:
    if not is_due:
        return evolve(account, errors=account.errors + 1, told=[*account.told, None])
    news = "still failing" if account.alerts else "failing"
    return evolve(
        account, errors=account.errors + 1, alerts=account.alerts + 1, last_alert=now, told=[*account.told, news]
    )


endings = st.sampled_from([ends_well, ends_badly, ends_badly, ends_badly, ends_for_good, is_held, fails_by_hand])
gaps = st.integers(1, 90).map(lambda n: n * MINUTE)


@given(history=st.lists(st.tuples(endings, gaps), max_size=40))
def test_whatever_a_job_goes_through_its_state_says_what_a_reader_of_its_history_would(
    history: Sequence[tuple[Ending, timedelta]],
) -> None:
    state, account, now, told = FRESH, Account(), NOON, list[str | None]()
    for ending, gap in history:
        now += gap
        step, account = ending(state, account, now)
        state = step.state
        told.append(step.alert)
        assert (state.consecutive_errors, state.alerts_sent) == (account.errors, account.alerts)
        assert (state.failing_since is None) == (account.errors == 0)
        assert state.last_alert_at == account.last_alert
        assert (state.items_seen_total, state.items_dispatched_total) == (account.seen, account.seen // 2)
        assert (state.created_at, state.last_run_at) == (NOON, now)
    assert state.ticks_total == len(history)
    assert [
        alert and next(word for word in ("recovered", "still failing", "failing") if word in alert) for alert in told
    ] == account.told
