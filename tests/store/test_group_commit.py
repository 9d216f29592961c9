"""Many callers, few transactions: on a database that remembers what it was asked to do, in virtual time."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import trio
from attrs import Factory, define, frozen
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from nexo_poller.errors import LeaseLost
from nexo_poller.store import Batch
from nexo_poller.store.group_commit import GroupCommit


class DiskFull(Exception):
    """The transaction is over."""


@define(eq=False)
class Database:
    """`Transactions`; what was written becomes part of `saved`, transaction by transaction."""

    saved: list[list[str]] = Factory(list)
    open: list[str] | None = None
    failures: dict[str, int] = Factory(dict)

    def begin(self) -> None:
        assert self.open is None
        self._may_fail("begin")
        self.open = []

    def commit(self) -> None:
        assert self.open is not None
        self._may_fail("commit")
        self.saved.append(self.open)
        self.open = None

    def roll_back(self) -> None:
        self.open = None

    def write(self, what: str) -> str:
        assert self.open is not None
        self.open.append(what)
        return f"{what} is done"

    def _may_fail(self, step: str) -> None:
        if self.failures.get(step):
            self.failures[step] -= 1
            raise DiskFull(step)


@define(eq=False)
class Group:
    """Callers of one group commit, whose every hop takes a second."""

    db: Database = Factory(Database)
    answers: dict[str, str | Exception] = Factory(dict)
    scopes: dict[str, trio.CancelScope] = Factory(dict)
    impossible_hops: int = 0
    batches: list[Batch] = Factory(list)
    commit: GroupCommit = Factory(
        lambda self: GroupCommit(self.db, self.hop, observe=self.batches.append), takes_self=True
    )

    async def hop(self, run: Callable[[], None]) -> None:
        if self.impossible_hops:
            self.impossible_hops -= 1
            raise RuntimeError("can't start new thread")
        await trio.sleep(1)
        run()

    async def call(self, name: str, run: Callable[[], str] | None = None) -> None:
        """Leaves what came out of the call in `answers`; nothing if it was cancelled."""
        with trio.CancelScope() as self.scopes[name]:
            try:
                self.answers[name] = await self.commit(run or (lambda: self.db.write(name)))
            except Exception as error:  # noqa: BLE001 - it is what the test looks at
                self.answers[name] = error

    def failing(self, name: str, error: Exception) -> Callable[[], str]:
        def run() -> str:
            self.db.write(name)
            raise error

        return run


@pytest.fixture
def group() -> Group:
    return Group()


@asynccontextmanager
async def callers(group: Group, *names: str) -> AsyncIterator[trio.Nursery]:
    """Calls that come one after the other; at the end of the block all must be over."""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(group.call, name)
                await wait_all_tasks_blocked()
            yield nursery


def done(names: str) -> dict[str, str]:
    return {name: f"{name} is done" for name in names}


async def test_a_single_call_is_one_transaction_and_returns_its_own_result(
    group: Group, autojump_clock: MockClock
) -> None:
    async with callers(group, "a"):
        pass
    assert (group.db.saved, group.answers) == ([["a"]], done("a"))


async def test_calls_that_come_while_one_is_in_flight_share_the_next(group: Group, autojump_clock: MockClock) -> None:
    async with callers(group, "a", "b", "c", "d"):
        pass
    assert (group.db.saved, group.answers) == ([["a"], ["b", "c", "d"]], done("abcd"))


async def test_calls_that_come_at_the_same_moment_share_the_first(group: Group, autojump_clock: MockClock) -> None:
    async with callers(group) as nursery:
        for name in "abc":
            nursery.start_soon(group.call, name)
    assert [sorted(batch) for batch in group.db.saved] == [["a", "b", "c"]]


async def test_an_observer_hears_of_every_batch_how_many_calls_and_how_long(
    group: Group, autojump_clock: MockClock
) -> None:
    async with callers(group, "a", "b", "c"):
        pass
    assert group.batches == [Batch(1, timedelta(seconds=1)), Batch(2, timedelta(seconds=1))]


class TestCancelled:
    """At every step on purpose: what is saved, and that nobody waits for ever."""

    @pytest.mark.parametrize("victim", ["b", "c"])
    async def test_waiting_for_its_turn_a_call_never_happened(
        self, group: Group, autojump_clock: MockClock, victim: str
    ) -> None:
        async with callers(group, "a", "b", "c"):
            group.scopes[victim].cancel()
        (left,) = {"b", "c"} - {victim}
        assert (group.db.saved, group.answers) == ([["a"], [left]], done("a" + left))

    async def test_about_to_lead_a_call_hands_the_lead_on(self, group: Group, autojump_clock: MockClock) -> None:
        def cancel_the_next() -> str:
            group.scopes["b"].cancel()
            return group.db.write("a")

        async with callers(group) as nursery:
            nursery.start_soon(group.call, "a", cancel_the_next)
            await wait_all_tasks_blocked()
            for name in "bc":
                nursery.start_soon(group.call, name)
                await wait_all_tasks_blocked()
        assert (group.db.saved, group.answers) == ([["a"], ["c"]], done("ac"))

    async def test_the_last_one_that_waits_leaves_nothing_in_flight(
        self, group: Group, autojump_clock: MockClock
    ) -> None:
        async with callers(group, "a", "b"):
            group.scopes["b"].cancel()
        async with callers(group, "c"):
            pass
        assert (group.db.saved, group.answers) == ([["a"], ["c"]], done("ac"))

    @pytest.mark.parametrize("victim", ["b", "c"])
    async def test_in_flight_a_call_leads_or_follows_to_its_answer(
        self, group: Group, autojump_clock: MockClock, victim: str
    ) -> None:
        async with callers(group, "a", "b", "c", "d"):
            await trio.sleep(1.5)
            assert group.db.saved == [["a"]]
            group.scopes[victim].cancel()
        assert (group.db.saved, group.answers) == ([["a"], ["b", "c", "d"]], done("abcd"))


class TestFailure:
    async def test_one_callers_error_is_its_own_and_the_others_are_saved(
        self, group: Group, autojump_clock: MockClock
    ) -> None:
        async with callers(group, "a", "b") as nursery:
            nursery.start_soon(group.call, "bad", group.failing("bad", ValueError("mine")))
            await wait_all_tasks_blocked()
            nursery.start_soon(group.call, "c")
        assert group.db.saved == [["a"], ["b"], ["c"]]
        assert {name: str(answer) for name, answer in group.answers.items()} == done("abc") | {"bad": "mine"}

    async def test_a_refusal_is_an_answer_and_costs_nobody_another_transaction(
        self, group: Group, autojump_clock: MockClock
    ) -> None:
        def refuse() -> str:
            raise LeaseLost("inbox", 7)

        async with callers(group, "a", "b") as nursery:
            nursery.start_soon(group.call, "late", refuse)
            nursery.start_soon(group.call, "c")
        assert [sorted(batch) for batch in group.db.saved] == [["a"], ["b", "c"]]
        assert isinstance(group.answers["late"], LeaseLost)

    async def test_a_batch_that_cannot_be_made_durable_is_run_again_one_by_one(
        self, group: Group, autojump_clock: MockClock
    ) -> None:
        async with callers(group, "a", "b", "c"):
            await trio.sleep(1.5)
            group.db.failures["commit"] = 2
        assert group.db.saved == [["a"], ["c"]]
        assert isinstance(group.answers["b"], DiskFull)
        assert group.answers["c"] == "c is done"

    @pytest.mark.parametrize(("step", "times"), [("begin", 2), ("commit", 5)])
    async def test_a_database_that_fails_for_a_while_serves_again_after_it(
        self, group: Group, autojump_clock: MockClock, step: str, times: int
    ) -> None:
        group.db.failures[step] = times  # one who cannot begin is not asked again for each of its batch
        async with callers(group, "a", "b", "c"):
            pass
        assert [type(group.answers[name]) for name in "abc"] == [DiskFull] * 3
        async with callers(group, "d"):
            pass
        assert (group.db.saved, group.answers["d"]) == ([["d"]], "d is done")

    async def test_a_hop_that_cannot_be_made_is_heard_of_by_all_who_were_to_share_it(
        self, group: Group, autojump_clock: MockClock
    ) -> None:
        async with callers(group, "a", "b", "c"):
            group.impossible_hops = 1
        async with callers(group, "d"):
            pass
        assert group.db.saved == [["a"], ["d"]]
        assert [str(group.answers[name]) for name in "bc"] == ["can't start new thread"] * 2


@frozen(kw_only=True)
class Caller:
    comes: float
    leaves: float | None
    is_bad: bool


def visits() -> st.SearchStrategy[list[Caller]]:
    moments = st.integers(0, 16).map(lambda n: n / 4)
    caller = st.builds(Caller, comes=moments, leaves=st.none() | moments, is_bad=st.booleans())
    return st.lists(caller, min_size=1, max_size=8)


@given(visits=visits(), failures=st.integers(0, 4))
def test_however_calls_come_leave_and_fail_each_that_was_answered_is_saved_once_and_no_other(
    visits: Sequence[Caller], failures: int
) -> None:
    async def visit(group: Group, name: str, caller: Caller) -> None:
        await trio.sleep(caller.comes)
        run = group.failing(name, ValueError(name)) if caller.is_bad else None
        with trio.move_on_after(caller.leaves or 60):
            await group.call(name, run)

    async def main() -> Group:
        group = Group(Database(failures={"commit": failures}))
        with trio.fail_after(600):
            async with trio.open_nursery() as nursery:
                for n, caller in enumerate(visits):
                    nursery.start_soon(visit, group, str(n), caller)
        return group

    group = trio.run(main, clock=MockClock(autojump_threshold=0))
    saved = [name for batch in group.db.saved for name in batch]
    assert sorted(saved) == sorted(name for name, answer in group.answers.items() if answer == f"{name} is done")
    errors = {name: answer for name, answer in group.answers.items() if isinstance(answer, Exception)}
    assert all(isinstance(error, DiskFull) or str(error) == name for name, error in errors.items())
    stayed = {str(n) for n, caller in enumerate(visits) if caller.leaves is None}
    assert stayed <= group.answers.keys()
