"""One job: sleep until due, claim, tick, commit, again.

Theory of operation. A job is one task with a cancel scope of its own; `stop` cancels it and returns when its last line
has run, so that a replacement never overlaps with it. Where it can be cut, and what that leaves:

- asleep, or waiting for a place among the ticks: nothing;
- in the claim: the store runs it to its answer, and a claim that was granted is given back (L6);
- in the tick: the lease is given back, the slot stays due, nothing counts as an error;
- in the commit: it runs to its answer, for `SHIELD` seconds at most.

A process that dies leaves a lease, which another takes over, and a cursor from which the slot is run again. Whether a
commit was saved before the end is never a question: repeating it, by its fence, gives the answer (L2).

A run by hand cuts a running tick short and takes its place; the schedule goes on after it (R5).
"""

import logging
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import trio
from attrs import Factory, define

from nexo_poller.config.model import JobSpec
from nexo_poller.errors import JobRefused, LeaseLost
from nexo_poller.runner.lease import HeldLease
from nexo_poller.runner.outcome import DryRun, Rules, TickReport, rehearsal, report
from nexo_poller.runner.patience import answered
from nexo_poller.runner.tick import inside
from nexo_poller.runner.ticker import NO_FENCE, Follow, Ticked, Ticker
from nexo_poller.state import JobState
from nexo_poller.store import Claim, ClaimRequest, NotNow

SHORTEST_LEASE: Final = timedelta(seconds=30)
LEASE_BEYOND_TIMEOUT: Final = timedelta(seconds=30)

log = logging.getLogger(__name__)
claim_numbers = count()


@define(eq=False)
class Turn:
    """A slot's turn, from before the claim to after the commit."""

    _scope: trio.CancelScope = Factory(trio.CancelScope)
    _over: trio.Event = Factory(trio.Event)

    async def take(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run the slot, unless and until cut short."""
        try:
            with self._scope:
                await run()
        finally:
            self._over.set()

    async def cut_short(self) -> None:
        """Cancel the turn; return when nothing of it is left."""
        self.cancel()
        await self.over()

    def cancel(self) -> None:
        """Begin to cut it short."""
        self._scope.cancel()

    async def over(self) -> None:
        """Return when nothing of it is left."""
        await self._over.wait()


@define(eq=False, kw_only=True)
class RunningJob:
    """A job's task, and the handles on it."""

    ticker: Ticker
    _until: datetime | None
    _slot: datetime | None
    _woken: trio.Event = Factory(trio.Event)
    _scope: trio.CancelScope = Factory(trio.CancelScope)
    _gone: trio.Event = Factory(trio.Event)
    _turn: Turn | None = None
    _by_hand: trio.Event | None = None
    _held: trio.Event | None = None
    _finishing: bool = False
    _is_busy: bool = False

    @property
    def spec(self) -> JobSpec:
        """The job as the configuration has it."""
        return self.ticker.bound.spec

    async def run(self) -> None:
        """Run slot after slot until stopped or finished."""
        try:
            with self._scope:
                while not self._finishing:
                    await self._sleep()
                    async with self._place():
                        await self._take_turn()
        finally:
            self._gone.set()

    def wake(self) -> None:
        """Look at the store again, now."""
        self._woken.set()

    def finish(self) -> None:
        """End after the tick that is under way, if one is."""
        self._finishing = True
        self.wake()

    async def gone(self) -> None:
        """Return when the task has ended."""
        await self._gone.wait()

    async def stop(self) -> None:
        """Cancel the job; return once its last line of clean-up has run."""
        self._scope.cancel()
        await self._gone.wait()

    def hold(self) -> None:
        """Begin no tick until `let_go`, and cut short one that is under way; `still` waits for its end.

        Raises `JobRefused` during a run by hand.
        """
        if self._by_hand is not None:
            raise JobRefused(self.spec.id, "it is being run by hand; wait for that run to end")
        self._held = trio.Event()
        if self._turn is not None:
            self._turn.cancel()

    async def still(self) -> None:
        """Return when no tick of the schedule is under way."""
        if self._turn is not None:
            await self._turn.over()

    @property
    def is_still(self) -> bool:
        """Whether no tick of the schedule is under way."""
        return self._turn is None

    def let_go(self) -> None:
        """Go on as before `hold`."""
        if self._held is not None:
            self._held.set()
            self._held = None
        self.wake()

    async def run_by_hand(self) -> TickReport:
        """Run one tick now and commit it (R5).

        Raises `JobRefused` while another run by hand is under way, and if the run was fenced out before its end.
        """
        if self._by_hand is not None:
            raise JobRefused(self.spec.id, "it is being run by hand already; wait for that run to end")
        if self._held is not None:
            raise JobRefused(self.spec.id, "it is being replaced by a reload; try again")
        self._by_hand = trio.Event()
        try:
            if self._turn is not None:
                await self._turn.cut_short()
            async with self._place():
                request, sent = self._request(), trio.current_time()
                claim = await answered(lambda: self.ticker.machine.store.seize(request))
                ticked = await self._tick(claim, request.ttl, sent, self._rules(0).by_hand)
        except LeaseLost as lost:
            raise JobRefused(self.spec.id, "it was reset, or claimed, during this run; nothing was saved") from lost
        finally:
            self._by_hand.set()
            self._by_hand = None
            self.wake()
        return report(ticked.outcome)

    async def dry_run(self, state: JobState) -> DryRun:
        """Run one tick that is not committed: nothing is claimed, fenced or sent."""
        async with nullcontext() if inside.get() else self.ticker.bound.poller.place():
            return rehearsal(state, await self.ticker.outcome(state, self._now(), NO_FENCE))

    async def _sleep(self) -> None:
        pause = math.inf if self._until is None else (self._until - self._now()).total_seconds()
        if pause > 0:
            with trio.CancelScope(deadline=trio.current_time() + pause):
                await self._woken.wait()
        if self._woken.is_set():
            self._woken = trio.Event()
        if self._by_hand is not None:
            await self._by_hand.wait()
        if self._held is not None:
            await self._held.wait()

    async def _take_turn(self) -> None:
        if self._finishing or self._by_hand is not None or self._held is not None:
            return
        self._turn = Turn()
        try:
            await self._turn.take(self._claim_and_tick)
        finally:
            self._turn = None

    async def _claim_and_tick(self) -> None:
        request, sent = self._request(), trio.current_time()
        claim = await answered(lambda: self.ticker.machine.store.claim(request))
        if isinstance(claim, NotNow):
            self._hear(claim)
            return
        self._is_busy = False
        self._warn_of(claim)
        follow = self._rules(random.random()).scheduled  # noqa: S311 - no secret
        try:
            ticked = await self._tick(claim, request.ttl, sent, follow)
        except LeaseLost as lost:
            self._until = self._now()
            log.warning("%s; nothing of this tick was saved", lost)
        else:
            due = None if ticked.state.pause_reason is not None else ticked.state.due
            self._until, self._slot = (due.at, due.slot) if due else (None, None)

    async def _tick(self, claim: Claim, ttl: timedelta, sent: float, follow: Follow) -> Ticked:
        """Raises `LeaseLost`. `sent`: when the claim was, by `trio.current_time()`."""
        held = HeldLease(self.ticker.machine.store, claim.lease, ttl, sent)
        return await self.ticker.run(claim, held, follow)

    def _request(self) -> ClaimRequest:
        settings, timetable = self.ticker.machine.settings, self.ticker.timetable
        ttl = settings.lease_ttl_factor * timetable.interval(self._slot or self._now())
        return ClaimRequest(
            id=f"{id(self)}-{next(claim_numbers)}",
            timetable=timetable,
            ttl=min(max(ttl, SHORTEST_LEASE), self.ticker.timeout + LEASE_BEYOND_TIMEOUT),
            max_pending=settings.max_pending_per_job,
        )

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place among the ticks (L1); a run asked for from inside a tick goes by the place of that tick, which waits."""
        if inside.get():
            yield
        else:
            async with self.ticker.bound.poller.place(), self.ticker.machine.places:
                yield

    def _hear(self, answer: NotNow) -> None:
        self._until, self._slot = answer.until, answer.slot
        if answer.skipped and not (answer.why == "busy" and self._is_busy):  # a busy slot is one, however often seen
            self.ticker.count(lambda metrics: metrics.skipped(self.spec))
        self._is_busy = answer.why == "busy"

    def _warn_of(self, claim: Claim) -> None:
        if claim.is_takeover:
            self.ticker.count(lambda metrics: metrics.takeover(self.spec))
            log.warning("job '%s': took its lease over from a holder that did not give it back", self.spec.id)
        if claim.state.due is not None:
            late_by = claim.now - claim.state.due.at
            self.ticker.count(lambda metrics: metrics.late(self.spec, late_by))
        self.ticker.report_health(claim.state, claim.now)

    def _rules(self, luck: float) -> Rules:
        settings = self.ticker.machine.settings
        return Rules(spec=self.spec, timetable=self.ticker.timetable, settings=settings, luck=luck)

    def _now(self) -> datetime:
        return self.ticker.machine.clock.now()
