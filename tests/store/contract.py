"""What every `Store` does. A test module of an implementation imports all of it and provides the fixtures.

`empty_store` is open and new; `another` opens a second one on the same data, as another process would.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
import trio
from attrs import evolve
from builders import MINUTE, NOON, bodies, claimed, commit, outgoing, registration, request, timetable

from nexo_poller.errors import JobRefused, JobUnknown, LeaseLost
from nexo_poller.schedule import At, Every
from nexo_poller.state import FIRED
from nexo_poller.store import Alert, Claim, NotNow, Store

Another = Callable[[], AbstractAsyncContextManager[Store]]
SECOND = timedelta(seconds=1)


@pytest.fixture
async def store(empty_store: Store) -> Store:
    """A store that knows the job `inbox`."""
    await empty_store.register([registration()], now=NOON)
    return empty_store


@pytest.fixture
async def outbox(store: Store) -> Store:
    """The store with three messages in two lanes."""
    claim = await claimed(store)
    later = outgoing(b"later", lane="inbox/v", not_before=NOON + MINUTE)
    await store.commit(claim, commit(claim, outgoing(b"1"), later, outgoing(b"2")), now=NOON)
    return store


class TestRegister:
    async def test_a_new_job_is_due_at_once(self, empty_store: Store) -> None:
        states = await empty_store.register([registration()], now=NOON)
        assert states["inbox"].due is not None
        assert states["inbox"].due.at == NOON
        assert isinstance(await empty_store.claim(request(), now=NOON), Claim)

    async def test_registering_again_changes_nothing(self, empty_store: Store) -> None:
        await empty_store.register([registration()], now=NOON)
        claim = await claimed(empty_store)
        await empty_store.commit(claim, commit(claim, cursor=b"7"), now=NOON)
        states = await empty_store.register([registration()], now=NOON + 30 * SECOND)
        assert states["inbox"].due is not None
        assert states["inbox"].due.slot == NOON + MINUTE
        assert states["inbox"].cursor == b"7"
        assert states["inbox"].created_at == NOON

    async def test_a_changed_schedule_is_computed_anew_on_the_old_anchor_and_keeps_the_cursor(
        self, empty_store: Store
    ) -> None:
        await empty_store.register([registration()], now=NOON)
        claim = await claimed(empty_store)
        await empty_store.commit(claim, commit(claim, cursor=b"7"), now=NOON)
        changed = registration(schedule=Every(10 * MINUTE))
        states = await empty_store.register([changed], now=NOON + 11 * MINUTE)
        assert states["inbox"].due is not None
        assert states["inbox"].due.slot == NOON + 20 * MINUTE
        assert states["inbox"].cursor == b"7"

    async def test_paused_on_boot_pauses_but_not_while_somebody_holds_the_lease(self, empty_store: Store) -> None:
        paused = evolve(registration(), paused_on_boot=True)
        await empty_store.register([registration()], now=NOON)
        await claimed(empty_store)
        assert (await empty_store.register([paused], now=NOON))["inbox"].pause_reason is None
        assert (await empty_store.register([paused], now=NOON + 2 * MINUTE))["inbox"].pause_reason == "paused_on_boot"
        assert await empty_store.claim(request(), now=NOON + 2 * MINUTE) == NotNow(why="paused", until=None)


class TestClaim:
    async def test_of_two_claims_for_one_slot_one_wins(self, store: Store, another: Another) -> None:
        async def claim(by: Store) -> None:
            claims.append(await by.claim(request(), now=NOON))

        claims: list[Claim | NotNow] = []
        async with another() as second, trio.open_nursery() as nursery:
            nursery.start_soon(claim, store)
            nursery.start_soon(claim, second)
        assert [isinstance(c, Claim) for c in claims].count(True) == 1

    async def test_before_the_slot_the_answer_names_the_slot(self, store: Store) -> None:
        claim = await claimed(store)
        await store.commit(claim, commit(claim), now=NOON)
        assert await store.claim(request(), now=NOON + SECOND) == NotNow(
            why="not-due", until=NOON + MINUTE, slot=NOON + MINUTE
        )

    async def test_a_held_lease_is_busy_until_it_runs_out_and_then_counts_as_a_takeover(
        self, store: Store, another: Another
    ) -> None:
        await claimed(store)
        async with another() as second:
            busy = await second.claim(request(), now=NOON + SECOND)
            assert isinstance(busy, NotNow)
            assert busy.why == "busy"
            taken = await second.claim(request(), now=NOON + MINUTE)
            assert isinstance(taken, Claim)
            assert taken.is_takeover

    async def test_a_repeated_claim_is_the_same_claim(self, store: Store) -> None:
        once = request()
        first = await store.claim(once, now=NOON)
        assert isinstance(first, Claim)
        assert await store.claim(once, now=NOON) == evolve(first, is_takeover=False)

    async def test_the_fence_rises_with_every_claim_even_after_a_release(self, store: Store) -> None:
        first = await claimed(store)
        await store.release(first.lease)
        second = await claimed(store)
        assert second.lease.fence == first.lease.fence + 1
        assert not second.is_takeover

    async def test_a_missed_slot_runs_once_or_is_skipped(self, store: Store) -> None:
        late = NOON + 10 * MINUTE + SECOND
        skipped = await store.claim(request(misfire="skip"), now=late)
        assert skipped == NotNow(why="not-due", until=NOON + 11 * MINUTE, slot=NOON + 11 * MINUTE, skipped=True)
        much_later = NOON + 20 * MINUTE + SECOND
        assert isinstance(await store.claim(request(misfire="run"), now=much_later), Claim)

    async def test_an_overdue_retry_is_never_skipped(self, store: Store) -> None:
        claim = await claimed(store)
        await store.commit(claim, commit(claim, is_retry=True), now=NOON)
        assert isinstance(await store.claim(request(misfire="skip"), now=NOON + 10 * MINUTE), Claim)

    async def test_a_full_outbox_costs_the_slot_but_alerts_do_not_fill_it(self, store: Store) -> None:
        claim = await claimed(store)
        messages = [outgoing(), outgoing(), outgoing(lane="inbox!t"), outgoing(lane="inbox!t")]
        await store.commit(claim, commit(claim, *messages), now=NOON)
        full = await store.claim(request(max_pending=2), now=NOON + MINUTE)
        assert full == NotNow(why="outbox-full", until=NOON + 2 * MINUTE, slot=NOON + 2 * MINUTE, skipped=True)
        assert isinstance(await store.claim(request(max_pending=3), now=NOON + 2 * MINUTE), Claim)

    async def test_an_outbox_counts_for_its_own_job_only(self, store: Store) -> None:
        await store.register([registration("inbox.b"), registration("inbox-b")], now=NOON)
        for other in ("inbox.b", "inbox-b"):
            claim = await claimed(store, other)
            await store.commit(claim, commit(claim, outgoing(lane=f"{other}/t")), now=NOON)
        assert isinstance(await store.claim(request(max_pending=1), now=NOON), Claim)
        assert (await store.jobs())["inbox"].pending == 0
        assert (await store.jobs())["inbox-b"].pending == 1

    async def test_an_unknown_job_is_an_error(self, store: Store) -> None:
        with pytest.raises(JobUnknown):
            await store.claim(request("elsewhere"), now=NOON)


class TestLease:
    async def test_a_renewed_lease_outlasts_its_first_end(self, store: Store, another: Another) -> None:
        claim = await claimed(store)
        await store.renew(claim.lease, MINUTE, now=NOON + 50 * SECOND)
        async with another() as second:
            assert isinstance(await second.claim(request(), now=NOON + 90 * SECOND), NotNow)
        await store.commit(claim, commit(claim), now=NOON + 100 * SECOND)

    async def test_an_overslept_lease_can_neither_be_renewed_nor_commit_though_nobody_took_it(
        self, store: Store
    ) -> None:
        claim = await claimed(store)
        with pytest.raises(LeaseLost):
            await store.renew(claim.lease, MINUTE, now=NOON + MINUTE)
        with pytest.raises(LeaseLost):
            await store.commit(claim, commit(claim, outgoing(), cursor=b"7"), now=NOON + MINUTE)
        assert (await store.jobs())["inbox"].state == claim.state
        assert await store.lanes() == []

    async def test_after_a_takeover_the_old_holder_changes_nothing(self, store: Store, another: Another) -> None:
        old = await claimed(store)
        async with another() as second:
            new = await claimed(second, now=NOON + MINUTE)
            with pytest.raises(LeaseLost):
                await store.commit(old, commit(old, outgoing(b"old"), cursor=b"old"), now=NOON + MINUTE)
            await store.release(old.lease)
            await second.commit(new, commit(new, outgoing(b"new"), cursor=b"new"), now=NOON + MINUTE)
        assert (await store.jobs())["inbox"].state.cursor == b"new"
        assert await bodies(store) == [b"new"]

    async def test_a_released_slot_stays_due(self, store: Store) -> None:
        claim = await claimed(store)
        await store.release(claim.lease)
        again = await claimed(store)
        assert again.state == claim.state


class TestCommit:
    async def test_everything_is_saved_and_the_lease_is_free(self, store: Store) -> None:
        claim = await claimed(store)
        saved = commit(claim, outgoing(b"1"), outgoing(b"2"), cursor=b"7", last_status="ok", items_seen_total=2)
        await store.commit(claim, saved, now=NOON)
        row = (await store.jobs())["inbox"]
        assert row.state == saved.state
        assert row.holder is None
        assert row.pending == 2
        assert await bodies(store) == [b"1", b"2"]
        assert await store.history("inbox", 10) == [saved.tick]

    async def test_a_message_with_an_error_is_a_dead_letter_at_once_and_the_others_keep_their_order(
        self, store: Store
    ) -> None:
        claim = await claimed(store)
        bad = outgoing(b"bad", error="cannot be read")
        sent = commit(claim, outgoing(b"1"), bad, outgoing(b"2"), cursor=b"7")
        for _ in range(2):  # a commit may be repeated
            await store.commit(claim, sent, now=NOON)
        assert await bodies(store) == [b"1", b"2"]
        [letter] = await store.dead_letters()
        assert (letter.message, letter.error, letter.attempts) == (bad.message, "cannot be read", 0)
        assert (letter.job_id, letter.died_at) == ("inbox", NOON)
        await store.replay(letter.seq)
        assert await bodies(store) == [b"1", b"2", b"bad"]
        assert await store.dead_letters() == []

    async def test_a_lost_lease_leaves_no_dead_letter_either(self, store: Store) -> None:
        claim = await claimed(store)
        await store.release(claim.lease)
        with pytest.raises(LeaseLost):
            await store.commit(claim, commit(claim, outgoing(b"bad", error="cannot be read")), now=NOON)
        assert await store.dead_letters() == []

    async def test_a_repeated_commit_does_nothing(self, store: Store) -> None:
        claim = await claimed(store)
        saved = commit(claim, outgoing(b"1"))
        await store.commit(claim, saved, now=NOON)
        await store.commit(claim, saved, now=NOON)
        assert await bodies(store) == [b"1"]
        assert len(await store.history("inbox", 10)) == 1

    async def test_a_pause_during_the_tick_survives_the_commit(self, store: Store) -> None:
        claim = await claimed(store)
        await store.pause("inbox", "for the night")
        await store.commit(claim, commit(claim), now=NOON)
        assert (await store.jobs())["inbox"].state.pause_reason == "for the night"

    async def test_history_is_bounded_and_newest_first(self, store: Store) -> None:
        moment, fences = NOON, []
        for _ in range(5):
            claim = await claimed(store, now=moment)
            await store.commit(claim, commit(claim, history=3), now=moment)
            moment += MINUTE
            fences.append(claim.lease.fence)
        assert [tick.fence for tick in await store.history("inbox", 10)] == fences[:1:-1]


class TestOperators:
    async def test_a_paused_job_is_not_claimed_until_it_is_resumed(self, store: Store) -> None:
        assert await store.pause("inbox", "broken")
        assert not await store.pause("inbox", "again")
        assert (await store.jobs())["inbox"].state.pause_reason == "broken"
        assert await store.claim(request(), now=NOON) == NotNow(why="paused", until=None)
        assert await store.resume("inbox")
        assert not await store.resume("inbox")
        assert isinstance(await store.claim(request(), now=NOON), Claim)

    async def test_a_fired_job_is_not_resumed_but_a_reset_arms_it_again(self, store: Store) -> None:
        at = At(NOON)
        await store.register([registration("once", at)], now=NOON)
        claim = await store.claim(request("once", at), now=NOON)
        assert isinstance(claim, Claim)
        fired = commit(claim)
        fired = evolve(fired, state=evolve(fired.state, due=None, pause_reason="fired"))
        await store.commit(claim, fired, now=NOON)
        assert await store.claim(request("once", at), now=NOON) == NotNow(why="fired", until=None)
        with pytest.raises(JobRefused, match="fired"):
            await store.resume("once")
        await store.reset(timetable("once", at), now=NOON + SECOND)
        assert isinstance(await store.claim(request("once", at), now=NOON + SECOND), Claim)

    async def test_a_reset_arms_an_instant_that_has_passed_even_where_missed_ones_are_skipped(
        self, store: Store
    ) -> None:
        at = At(NOON)
        await store.register([registration("once", at)], now=NOON)
        late = NOON + 10 * MINUTE
        skipped = await store.claim(request("once", at, misfire="skip"), now=late)
        assert isinstance(skipped, NotNow)
        await store.reset(timetable("once", at, "skip"), now=late)
        assert isinstance(await store.claim(request("once", at, misfire="skip"), now=late), Claim)

    async def test_a_job_that_has_fired_is_known_by_its_slots_not_by_somebodys_words(self, store: Store) -> None:
        await store.pause("inbox", "fired")
        assert await store.claim(request(), now=NOON) == NotNow(why="paused", until=None)
        await store.resume("inbox")
        assert isinstance(await store.claim(request(), now=NOON), Claim)

    async def test_a_run_by_hand_is_refused_while_the_outbox_is_full(self, store: Store) -> None:
        claim = await claimed(store)
        await store.commit(claim, commit(claim, outgoing(), outgoing()), now=NOON)
        with pytest.raises(JobRefused, match="outbox is full"):
            await store.seize(request(max_pending=2), now=NOON)
        assert (await store.seize(request(max_pending=3), now=NOON)).lease.fence == claim.lease.fence + 1

    async def test_a_changed_instant_arms_a_fired_job(self, store: Store) -> None:
        await store.register([registration("once", At(NOON))], now=NOON)
        claim = await store.claim(request("once", At(NOON)), now=NOON)
        assert isinstance(claim, Claim)
        fired = commit(claim)
        fired = evolve(fired, state=evolve(fired.state, due=None, pause_reason="fired"))
        await store.commit(claim, fired, now=NOON)
        states = await store.register([registration("once", At(NOON + MINUTE))], now=NOON)
        assert states["once"].pause_reason is None
        assert states["once"].due is not None

    async def test_a_reset_clears_cursor_and_errors_and_fences_the_running_tick_out(self, store: Store) -> None:
        claim = await claimed(store)
        await store.commit(claim, commit(claim, cursor=b"7", consecutive_errors=3, pause_reason="x"), now=NOON)
        await store.resume("inbox")
        running = await claimed(store, now=NOON + MINUTE)
        await store.reset(timetable(), now=NOON + MINUTE)
        with pytest.raises(LeaseLost):
            await store.commit(running, commit(running, outgoing()), now=NOON + MINUTE)
        state = (await store.jobs())["inbox"].state
        assert (state.cursor, state.consecutive_errors, state.pause_reason) == (None, 0, None)
        assert await store.lanes() == []

    async def test_a_run_by_hand_fences_out_the_tick_of_the_schedule(self, store: Store, another: Another) -> None:
        running = await claimed(store)
        async with another() as second:
            by_hand = await second.seize(request(), now=NOON + SECOND)
            with pytest.raises(LeaseLost):
                await store.commit(running, commit(running), now=NOON + SECOND)
            with pytest.raises(JobRefused, match="by hand"):
                await store.seize(request(), now=NOON + SECOND)
            await second.commit(by_hand, commit(by_hand), now=NOON + SECOND)

    async def test_unknown_jobs_are_errors(self, store: Store) -> None:
        for call in (
            store.pause("no", "x"),
            store.resume("no"),
            store.reset(timetable("no")),
            store.seize(request("no")),
        ):
            with pytest.raises(JobUnknown):
                await call


class TestAlert:
    """Alerts that no tick led to."""

    async def test_is_saved_with_its_marks_and_of_the_state_nothing_else(self, store: Store) -> None:
        row = (await store.jobs())["inbox"]
        marked = evolve(row.state, alerts_sent=1, last_alert_at=NOON, failing_since=NOON, cursor=b"no", ticks_total=9)
        await store.alert("inbox", row.fence, Alert(marked, [outgoing(lane="inbox!t")]), now=NOON)
        after = (await store.jobs())["inbox"]
        assert after.state == evolve(row.state, alerts_sent=1, last_alert_at=NOON, failing_since=NOON)
        assert [head.lane for head in await store.lanes()] == ["inbox!t"]

    async def test_is_told_once_by_however_many(self, store: Store, another: Another) -> None:
        row = (await store.jobs())["inbox"]
        async with another() as second:
            await second.alert("inbox", row.fence, Alert(row.state, [outgoing()]), now=NOON)
        with pytest.raises(LeaseLost):
            await store.alert("inbox", row.fence, Alert(row.state, [outgoing()]), now=NOON)
        assert len(await store.waiting(10)) == 1

    async def test_is_left_to_the_tick_that_is_under_way(self, store: Store) -> None:
        claim = await claimed(store)
        alert = Alert(claim.state, [outgoing()])
        with pytest.raises(LeaseLost):
            await store.alert("inbox", claim.lease.fence, alert, now=NOON)
        await store.alert("inbox", claim.lease.fence, alert, now=NOON + MINUTE)  # of a tick that is dead
        with pytest.raises(LeaseLost):
            await store.commit(claim, commit(claim), now=NOON + MINUTE)

    async def test_what_a_job_could_not_do_before_is_not_held_against_it(self, store: Store) -> None:
        async def awake_since() -> datetime | None:
            return (await store.jobs())["inbox"].state.awake_since

        assert await awake_since() is None
        await store.pause("inbox", "holiday")
        await store.resume("inbox", now=NOON + MINUTE)
        assert await awake_since() == NOON + MINUTE
        await store.reset(timetable(), now=NOON + 2 * MINUTE)
        assert await awake_since() == NOON + 2 * MINUTE
        states = await store.register([registration(schedule=Every(10 * MINUTE))], now=NOON + 3 * MINUTE)
        assert states["inbox"].awake_since == NOON + 3 * MINUTE
        claim = await claimed(store, now=NOON + 20 * MINUTE)
        await store.commit(claim, commit(claim), now=NOON + 20 * MINUTE)
        assert await awake_since() == NOON + 3 * MINUTE


class TestOutbox:
    async def test_lanes_are_told_with_when_their_first_message_may_go(self, outbox: Store) -> None:
        heads = {head.lane: head.not_before for head in await outbox.lanes()}
        assert heads == {"inbox/t": None, "inbox/v": NOON + MINUTE}

    async def test_a_relay_that_asks_again_has_its_lease_for_longer(self, outbox: Store, another: Another) -> None:
        ours = await outbox.claim_relay(MINUTE, now=NOON)
        assert await outbox.claim_relay(MINUTE, now=NOON + 50 * SECOND) == ours
        async with another() as second:
            assert await second.claim_relay(MINUTE, now=NOON + 90 * SECOND) is None

    async def test_one_relay_at_a_time_and_deletes_name_its_fence(self, outbox: Store, another: Another) -> None:
        ours = await outbox.claim_relay(MINUTE, now=NOON)
        assert ours is not None
        first, _ = await outbox.pending("inbox/t", 10)
        async with another() as second:
            assert await second.claim_relay(MINUTE, now=NOON + SECOND) is None
            theirs = await second.claim_relay(MINUTE, now=NOON + MINUTE)
            assert theirs is not None
            with pytest.raises(LeaseLost):
                await outbox.delivered(ours, [first.seq], now=NOON + MINUTE)
            await second.delivered(theirs, [first.seq], now=NOON + MINUTE)
            await second.delivered(theirs, [first.seq], now=NOON + MINUTE)
        assert await bodies(outbox) == [b"2"]

    async def test_an_attempt_is_counted_once_however_often_it_is_written(self, outbox: Store) -> None:
        lease = await outbox.claim_relay(MINUTE, now=NOON)
        assert lease is not None
        first, _ = await outbox.pending("inbox/t", 10)
        await outbox.refused(lease, first, "404", now=NOON)
        await outbox.refused(lease, first, "404", now=NOON)
        assert [pending.attempts for pending in await outbox.pending("inbox/t", 10)] == [1, 0]

    async def test_a_dead_letter_leaves_the_queue_with_what_it_was_and_why(self, outbox: Store) -> None:
        lease = await outbox.claim_relay(MINUTE, now=NOON)
        assert lease is not None
        first, _ = await outbox.pending("inbox/t", 10)
        await outbox.dead(lease, first, "410 Gone", now=NOON)
        await outbox.dead(lease, first, "410 Gone", now=NOON)
        assert await bodies(outbox) == [b"2"]
        (letter,) = await outbox.dead_letters()
        assert (letter.message, letter.attempts, letter.error, letter.died_at) == (first.message, 1, "410 Gone", NOON)


class TestStatistics:
    async def test_an_empty_store_has_nothing(self, empty_store: Store) -> None:
        found = await empty_store.statistics([])
        assert (found.pending, found.oldest_pending_at, found.dead_letters) == (0, None, 0)
        assert set(found.jobs.values()) == {0}

    async def test_messages_are_counted_and_the_oldest_dated(self, outbox: Store) -> None:
        lease = await outbox.claim_relay(MINUTE, now=NOON + SECOND)
        assert lease is not None
        first, _ = await outbox.pending("inbox/t", 10)
        await outbox.dead(lease, first, "410 Gone", now=NOON + SECOND)
        await outbox.register([registration("newer")], now=NOON)
        claim = await claimed(outbox, "newer", now=NOON + SECOND)
        await outbox.commit(claim, commit(claim, outgoing(b"3")), now=NOON + SECOND)
        found = await outbox.statistics({"inbox"})
        assert (found.pending, found.oldest_pending_at, found.dead_letters) == (3, NOON, 1)

    async def test_jobs_are_counted_by_state_but_only_those_asked_for(self, empty_store: Store) -> None:
        names = ["well", "failing", "paused", "fired", "removed"]
        await empty_store.register([registration(name) for name in names], now=NOON)
        changes: Mapping[str, Any] = {
            "failing": {"consecutive_errors": 2},
            "fired": {"pause_reason": FIRED},
            "removed": {"consecutive_errors": 1},
        }
        for name, change in changes.items():
            claim = await claimed(empty_store, name)
            await empty_store.commit(claim, commit(claim, **change), now=NOON)
        await empty_store.pause("paused", "on holiday")
        found = await empty_store.statistics({"well", "failing", "paused", "fired", "new"})
        assert found.jobs == {"running": 2, "failing": 1, "paused": 1, "fired": 1}
