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
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import Factory, define, field, frozen

from nexo_poller.breaker import breaker
from nexo_poller.clock import Clock
from nexo_poller.config.model import Settings
from nexo_poller.errors import JobRefused, LeaseLost, PermanentError, StoreError, StoreRefused
from nexo_poller.failures import LONGEST_ERROR, describe
from nexo_poller.host import Agents, InProcessHost
from nexo_poller.masking import Mask
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.runner.counting import Counting
from nexo_poller.runner.lease import HeldLease
from nexo_poller.runner.metrics import Metrics
from nexo_poller.runner.outcome import DryRun, Outcome, Rules, TickReport, record
from nexo_poller.runner.outgoing import Sender, write_audit
from nexo_poller.runner.patience import PAUSE, SHIELD, answered, finished_shielded
from nexo_poller.runner.tick import run_tick
from nexo_poller.state import JobState, Step
from nexo_poller.store import Claim, ClaimRequest, Commit, NotNow, Outgoing, Store
from nexo_poller.timetable import Timetable

if TYPE_CHECKING:
    import httpx

    from nexo_poller.config.binding import BoundJob
    from nexo_poller.http.pools import HttpPools

SHORTEST_LEASE: Final = timedelta(seconds=30)
LEASE_BEYOND_TIMEOUT: Final = timedelta(seconds=30)
LIMITS_IN_CONFIG: Final = ("allow_private_networks", "max_body_bytes")

log = logging.getLogger(__name__)
claim_numbers = count()


@frozen(kw_only=True)
class Machine:
    """What all jobs of a runner share."""

    store: Store
    clock: Clock
    http: "HttpPools"
    counting: Counting
    settings: Settings
    agents: Agents
    mask: Mask
    places: trio.CapacityLimiter
    wake_relay: Callable[[], None]


@define(eq=False, kw_only=True)
class RunningJob:
    """A job's task, and the handles on it."""

    bound: "BoundJob"
    timetable: Timetable
    machine: Machine
    _until: datetime | None
    _woken: trio.Event = Factory(trio.Event)
    _scope: trio.CancelScope = Factory(trio.CancelScope)
    _gone: trio.Event = Factory(trio.Event)
    _ticking: HeldLease | None = None
    _tick_gone: trio.Event | None = None
    _by_hand: trio.Event | None = None
    _finishing: bool = False
    _is_busy: bool = False
    _http: "httpx.AsyncClient | None" = field(default=None, repr=False)

    async def run(self) -> None:
        """Run slot after slot until stopped or finished."""
        try:
            with self._scope:
                while not self._finishing:
                    await self._sleep()
                    async with self.machine.places:
                        await self._run_slot()
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

    async def run_by_hand(self) -> TickReport:
        """Run one tick now and commit it (R5). Raises `JobRefused` while another run by hand is under way."""
        if self._by_hand is not None:
            raise JobRefused(self.bound.spec.id, "it is being run by hand already; wait for that run to end")
        self._by_hand = trio.Event()
        try:
            await self._cut_short()
            request, sent = self._request(), trio.current_time()
            claim = await answered(lambda: self.machine.store.seize(request))
            held = HeldLease(self.machine.store, claim.lease, request.ttl, sent)
            outcome = await self._tick(claim, held, self._rules(0).by_hand)
        finally:
            self._by_hand.set()
            self._by_hand = None
            self.wake()
        return TickReport(
            status=outcome.status,
            items_seen=outcome.items.items_seen,
            items_dispatched=outcome.items.items_dispatched,
            deliveries=len(outcome.outgoing),
            error=outcome.error or None,
        )

    async def dry_run(self, state: JobState) -> DryRun:
        """Run one tick that is not committed: nothing is claimed, fenced or sent."""
        outcome = await self._outcome(state, self.machine.clock.now(), fence=0)
        moved = outcome.ended.next_cursor if isinstance(outcome.ended, TickAck) else None
        return DryRun(
            status=outcome.status,
            items_seen=outcome.items.items_seen,
            items_dispatched=outcome.items.items_dispatched,
            outgoing=outcome.outgoing,
            cursor_before=state.cursor,
            cursor_after=state.cursor if moved is None else moved,
            error=outcome.error or None,
        )

    def report_health(self, state: JobState, now: datetime) -> None:
        """Tell the metrics how the job stands at `now`."""
        errors, is_due = state.consecutive_errors, state.due is not None and state.due.at <= now
        health = breaker(errors, self.machine.settings.breaker_threshold, due=is_due)
        self._count(lambda metrics: metrics.health(self.bound.spec, errors, health, state.last_success_at))

    async def _sleep(self) -> None:
        now = self.machine.clock.now()
        pause = math.inf if self._until is None else (self._until - now).total_seconds()
        if pause > 0:
            with trio.CancelScope(deadline=trio.current_time() + pause):
                await self._woken.wait()
        if self._woken.is_set():
            self._woken = trio.Event()
        if self._by_hand is not None:
            await self._by_hand.wait()

    async def _run_slot(self) -> None:
        if self._finishing or self._by_hand is not None:
            return
        request, sent = self._request(), trio.current_time()
        claim = await answered(lambda: self.machine.store.claim(request))
        if isinstance(claim, NotNow):
            self._hear(claim)
            return
        self._is_busy = False
        self._warn_of(claim)
        self._ticking = HeldLease(self.machine.store, claim.lease, request.ttl, sent)
        try:
            await self._tick(claim, self._ticking, self._rules(random.random()).scheduled)  # noqa: S311 - no secret
        except LeaseLost as lost:
            self._until = self.machine.clock.now()
            log.warning("%s; nothing of this tick was saved", lost)
        finally:
            self._ticking = None
            if self._tick_gone is not None:
                self._tick_gone.set()

    async def _cut_short(self) -> None:
        """Cancel the tick that is under way, if one is; return when it is gone."""
        if self._ticking is not None:
            self._tick_gone = trio.Event()
            self._ticking.give_up()
            await self._tick_gone.wait()
            self._tick_gone = None

    def _request(self) -> ClaimRequest:
        settings, timeout = self.machine.settings, self._timeout()
        ttl = settings.lease_ttl_factor * self.timetable.interval(self._until or self.machine.clock.now())
        return ClaimRequest(
            id=f"{id(self)}-{next(claim_numbers)}",
            timetable=self.timetable,
            ttl=min(max(ttl, SHORTEST_LEASE), timeout + LEASE_BEYOND_TIMEOUT),
            max_pending=settings.max_pending_per_job,
        )

    def _hear(self, answer: NotNow) -> None:
        self._until = answer.until
        if answer.skipped and not (answer.why == "busy" and self._is_busy):  # a busy slot is one, however often seen
            self._count(lambda metrics: metrics.skipped(self.bound.spec))
        self._is_busy = answer.why == "busy"

    def _warn_of(self, claim: Claim) -> None:
        spec = self.bound.spec
        if claim.is_takeover:
            self._count(lambda metrics: metrics.takeover(spec))
            log.warning("job '%s': took its lease over from a holder that did not give it back", spec.id)
        if claim.state.due is not None:
            late_by = claim.now - claim.state.due.at
            self._count(lambda metrics: metrics.late(spec, late_by))
        self.report_health(claim.state, claim.now)

    async def _tick(self, claim: Claim, held: HeldLease, follow: Callable[[Claim, Outcome], Step]) -> Outcome:
        """Run and commit a tick under a lease, which is given back whatever happens. Raises `LeaseLost`."""
        try:
            outcome = await self._outcome_while_held(claim, held)
            await self._commit(claim, held, outcome, follow(claim, outcome))
        except BaseException:
            await finished_shielded(lambda: self.machine.store.release(claim.lease))
            raise
        return outcome

    async def _outcome_while_held(self, claim: Claim, held: HeldLease) -> Outcome:
        """Run the poller; raises `LeaseLost` if the lease ends first."""
        outcomes: list[Outcome] = []
        async with held.kept():
            outcomes.append(await self._outcome(claim.state, claim.now, claim.lease.fence))
        if not outcomes:
            raise LeaseLost(claim.lease.key, claim.lease.fence)
        return outcomes[0]

    async def _outcome(self, state: JobState, now: datetime, fence: int) -> Outcome:
        """Run the poller once, on the cursor of `state`, at `now`."""
        spec, machine, began = self.bound.spec, self.machine, trio.current_time()
        host = InProcessHost(job=spec, agents=machine.agents, count=self._count_custom, mask=machine.mask)
        context: PollContext[Any] = PollContext(
            job_id=spec.id,
            agent_id=spec.agent,
            kind=spec.kind,
            config=self.bound.config,
            cursor=state.cursor,
            now=now,
            interval_hint=self.timetable.interval(state.due.slot if state.due else now),
            host=host,
            open_http=self._open_http,
        )
        ended = await run_tick(self.bound.poller, context, self._timeout())
        duration = timedelta(seconds=trio.current_time() - began)
        outgoing: tuple[Outgoing, ...] = ()
        if isinstance(ended, TickAck) and (ended.deliver or host.published):
            try:
                sender, limit = self._sender(fence, now + duration), machine.settings.max_pending_per_job
                outgoing = tuple(sender.everything(ended.deliver, host.published, limit))
            except PermanentError as error:
                ended = error
            except Exception as error:  # noqa: BLE001 - still the poller's own values: they must not end the daemon
                ended = PermanentError(f"the tick's messages cannot be sent: {type(error).__name__}: {describe(error)}")
        said = "" if isinstance(ended, TickAck) else machine.mask(describe(ended))[:LONGEST_ERROR]
        return Outcome(ended=ended, error=said, outgoing=outgoing, duration=duration, now=now + duration)

    async def _commit(self, claim: Claim, held: HeldLease, outcome: Outcome, step: Step) -> None:
        """Save the tick whole, however often that takes, while the lease lasts (C4). Raises `LeaseLost`."""
        outgoing = (*outcome.outgoing, *self._alerts(step, claim.lease.fence, outcome.now))
        commit = Commit(
            state=step.state,
            tick=record(claim, outcome, len(outgoing)),
            outgoing=outgoing,
            history=self.machine.settings.history_per_job,
        )
        while True:
            try:
                # The tick has had its effects outside; cancelled now, they would only be repeated.
                with trio.CancelScope(shield=True, deadline=trio.current_time() + SHIELD):
                    await self.machine.store.commit(claim, commit)
                    break
            except StoreRefused:
                raise
            except StoreError as error:
                log.warning("job '%s': not committed yet: %s", self.bound.spec.id, error)
            if trio.current_time() > held.deadline:
                raise LeaseLost(claim.lease.key, claim.lease.fence)
            await trio.sleep(PAUSE)
        self._until = step.state.due.at if step.state.due and step.state.pause_reason is None else None
        self._tell(outcome, step.state, bool(outgoing))

    def _alerts(self, step: Step, fence: int, now: datetime) -> tuple[Outgoing, ...]:
        if step.alert is None:
            return ()
        if self.bound.spec.failure_to is None:
            log.error("%s", step.alert)
            return ()
        return (self._sender(fence, now).alert(step.alert, self.bound.spec.failure_to),)

    def _tell(self, outcome: Outcome, state: JobState, has_messages: bool) -> None:
        """Everybody who waits for a commit."""
        spec, items = self.bound.spec, outcome.items
        latency_ms = outcome.duration / timedelta(milliseconds=1)
        self._count(lambda m: m.tick(spec, outcome.status, latency_ms, items.items_seen, items.items_dispatched))
        self.report_health(state, outcome.now)
        if has_messages:
            self.machine.wake_relay()
        if isinstance(outcome.ended, TickAck):
            write_audit(spec, self.machine.agents, outcome.ended.deliver)
        else:
            log.warning("job '%s': %s: %s", spec.id, outcome.status, outcome.error)

    def _count(self, count: Callable[[Metrics], None]) -> None:
        self.machine.counting(f"job '{self.bound.spec.id}'", count)

    def _count_custom(self, name: str, labels: Mapping[str, Any]) -> None:
        mask = self.machine.mask
        self._count(lambda m: m.custom(name, {label: mask(str(value)) for label, value in labels.items()}))

    def _rules(self, luck: float) -> Rules:
        return Rules(spec=self.bound.spec, timetable=self.timetable, settings=self.machine.settings, luck=luck)

    def _sender(self, fence: int, now: datetime) -> Sender:
        machine = self.machine
        return Sender(job=self.bound.spec, agents=machine.agents, store_id=machine.store.store_id, fence=fence, now=now)

    def _timeout(self) -> timedelta:
        return self.bound.spec.tick_timeout or self.machine.settings.tick_timeout

    def _open_http(self) -> "httpx.AsyncClient":
        """One client for all ticks of the job, so that a host's hold on it is its own (R6)."""
        if self._http is None:
            config = self.bound.config
            limits = {name: getattr(config, name) for name in LIMITS_IN_CONFIG if hasattr(config, name)}
            self._http = self.machine.http.client(**limits)
        return self._http
