"""One job: sleep until due, claim, tick, commit, again.

Theory of operation. A job is one task with a cancel scope of its own; `stop` cancels it and returns when its last line
has run, so that a replacement never overlaps with it. Where it can be cut, and what that leaves:

- asleep, or waiting for a place among the ticks: nothing;
- in the claim: it runs to its answer, and a claim that was granted is given back (L6);
- in the tick: the lease is given back, the slot stays due, nothing counts as an error;
- in the commit: it runs to its answer, for `SHIELD` seconds at most; then a restart asks again, by claim id and fence.

A run by hand cuts a running tick short and takes its place; the schedule goes on after it (R5).
"""

import logging
import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, assert_never

import httpx
import trio
from attrs import Factory, define, field, frozen

from nexo_poller.backoff import retry_delay
from nexo_poller.breaker import breaker
from nexo_poller.clock import Clock
from nexo_poller.config import BoundJob
from nexo_poller.config.model import JobSpec, Settings
from nexo_poller.errors import HostHeld, JobRefused, LeaseLost, PermanentError, StoreError, TransientError
from nexo_poller.failures import describe
from nexo_poller.host import Agents, InProcessHost
from nexo_poller.http.pools import HttpPools
from nexo_poller.masking import Mask
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.runner.lease import HeldLease
from nexo_poller.runner.metrics import Metrics
from nexo_poller.runner.outgoing import Sender, write_audit
from nexo_poller.runner.patience import PAUSE, SHIELD, answered, finished_shielded
from nexo_poller.runner.tick import Ended, run_tick
from nexo_poller.schedule import At
from nexo_poller.state import (
    AlertPolicy,
    JobState,
    Status,
    Step,
    after_ack,
    after_manual_ack,
    after_manual_error,
    after_permanent,
    after_skip,
    after_transient,
)
from nexo_poller.store import Claim, ClaimRequest, Commit, NotNow, Outgoing, Store, TickRecord
from nexo_poller.timetable import Due, Timetable

SHORTEST_LEASE: Final = timedelta(seconds=30)
LEASE_BEYOND_TIMEOUT: Final = timedelta(seconds=30)

log = logging.getLogger(__name__)
claim_numbers = count()


@frozen(kw_only=True)
class Machine:
    """What all jobs of a runner share."""

    store: Store
    clock: Clock
    http: HttpPools
    metrics: Metrics
    settings: Settings
    agents: Agents
    mask: Mask
    places: trio.CapacityLimiter
    wake_relay: Callable[[], None]


@frozen(kw_only=True)
class TickReport:
    """What a run by hand came to. `deliveries` counts the messages committed; `error` is None after a success."""

    status: Status
    items_seen: int
    items_dispatched: int
    deliveries: int
    error: str | None = None


@frozen(kw_only=True)
class DryRun:
    """What a tick would have done. `cursor_after` equals `cursor_before` where the tick would keep it."""

    items_seen: int
    items_dispatched: int
    outgoing: tuple[Outgoing, ...]
    cursor_before: bytes | None
    cursor_after: bytes | None
    error: str | None = None


@frozen(kw_only=True)
class Result:
    """A tick that has ended: what it came to, what it sends, and when."""

    ended: Ended
    outgoing: list[Outgoing]
    duration: timedelta
    now: datetime

    @property
    def status(self) -> Status:
        """The outcome as history and metrics call it."""
        match self.ended:
            case TickAck():
                return "ok"
            case PermanentError():
                return "permanent"
            case TransientError():
                return "transient"
            case HostHeld():
                return "skipped"
            case _:
                assert_never(self.ended)


@define(eq=False, kw_only=True)
class RunningJob:
    """A job's task, and the handles on it."""

    bound: BoundJob
    timetable: Timetable
    machine: Machine
    _until: datetime | None
    _woken: trio.Event = Factory(trio.Event)
    _scope: trio.CancelScope = Factory(trio.CancelScope)
    _gone: trio.Event = Factory(trio.Event)
    _ticking: trio.CancelScope | None = None
    _by_hand: trio.Event | None = None
    _tick_gone: trio.Event | None = None
    _finishing: bool = False
    _is_busy: bool = False
    _http: httpx.AsyncClient | None = field(default=None, repr=False)

    @property
    def spec(self) -> JobSpec:
        """The job as configured."""
        return self.bound.spec

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

    async def stop(self) -> None:
        """Cancel the job; return once its last line of clean-up has run."""
        self._scope.cancel()
        await self._gone.wait()

    async def gone(self) -> None:
        """Return when the task has ended."""
        await self._gone.wait()

    async def run_by_hand(self) -> TickReport:
        """Run one tick now and commit it (R5). Raises `JobRefused` while another run by hand is under way."""
        if self._by_hand is not None:
            raise JobRefused(self.spec.id, "it is being run by hand already; wait for that run to end")
        self._by_hand = trio.Event()
        try:
            await self._interrupt()
            request, sent = self._request(), trio.current_time()
            claim = await answered(lambda: self.machine.store.seize(request))
            result = await self._tick(claim, HeldLease(self.machine.store, claim.lease, request.ttl, sent), self._manual)
            return self._report(result)
        finally:
            self._by_hand.set()
            self._by_hand = None
            self.wake()

    async def dry_run(self, state: JobState) -> DryRun:
        """Run one tick that is not committed: nothing is claimed, fenced or sent."""
        now = self.machine.clock.now()
        result = await self._ended(state, now, fence=0)
        metrics = result.ended.metrics if isinstance(result.ended, TickAck) else None
        moved = result.ended.next_cursor if isinstance(result.ended, TickAck) else None
        return DryRun(
            items_seen=metrics.items_seen if metrics else 0,
            items_dispatched=metrics.items_dispatched if metrics else 0,
            outgoing=tuple(result.outgoing),
            cursor_before=state.cursor,
            cursor_after=state.cursor if moved is None else moved,
            error=self._error(result.ended),
        )

    async def _sleep(self) -> None:
        now = self.machine.clock.now()
        pause = math.inf if self._until is None else (self._until - now).total_seconds()
        with trio.move_on_after(max(pause, 0)):
            await self._woken.wait()
        self._woken = trio.Event() if self._woken.is_set() else self._woken
        if self._by_hand is not None:
            await self._by_hand.wait()

    async def _run_slot(self) -> None:
        if self._finishing or self._by_hand is not None:
            return
        request, sent = self._request(), trio.current_time()
        claim = await self._claim(request)
        if isinstance(claim, NotNow):
            self._hear(claim)
            return
        self._is_busy = False
        if claim.is_takeover:
            self.machine.metrics.takeover(self.spec.id)
            log.warning("job '%s': took its lease over from a holder that did not give it back", self.spec.id)
        held = HeldLease(self.machine.store, claim.lease, request.ttl, sent)
        try:
            with trio.CancelScope() as self._ticking:
                await self._tick(claim, held, self._scheduled)
        except LeaseLost as lost:
            log.warning("%s; nothing of this tick was saved", lost)
        finally:
            self._ticking = None
            if self._tick_gone is not None:
                self._tick_gone.set()

    async def _interrupt(self) -> None:
        """Cut a running tick short; return when it is gone."""
        if self._ticking is not None:
            self._tick_gone = trio.Event()
            self._ticking.cancel()
            await self._tick_gone.wait()
            self._tick_gone = None

    def _request(self) -> ClaimRequest:
        settings, timeout = self.machine.settings, self._timeout
        ttl = settings.lease_ttl_factor * self.timetable.interval(self._until or self.machine.clock.now())
        return ClaimRequest(
            id=f"{id(self)}-{next(claim_numbers)}",
            timetable=self.timetable,
            ttl=min(max(ttl, SHORTEST_LEASE), timeout + LEASE_BEYOND_TIMEOUT),
            max_pending=settings.max_pending_per_job,
        )

    @property
    def _timeout(self) -> timedelta:
        return self.spec.tick_timeout or self.machine.settings.tick_timeout

    async def _claim(self, request: ClaimRequest) -> Claim | NotNow:
        """The store's answer, waited for even if cancelled, since the claim may have been granted (L6)."""
        while True:
            try:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + SHIELD):
                    return await self.machine.store.claim(request)
            except StoreError as error:
                log.warning("job '%s': no claim: %s", self.spec.id, error)
            await trio.sleep(PAUSE)

    def _hear(self, answer: NotNow) -> None:
        self._until = answer.until
        if answer.skipped and not (answer.why == "busy" and self._is_busy):
            self.machine.metrics.skipped(self.spec)
        self._is_busy = answer.why == "busy"

    async def _tick(
        self, claim: Claim, held: HeldLease, step: Callable[[Claim, Result], Step]
    ) -> Result:
        """Run and commit a tick under a lease, which is given back whatever happens. Raises `LeaseLost`."""
        result: Result | None = None
        try:
            async with held.kept():
                result = await self._ended(claim.state, claim.now, claim.lease.fence)
            if result is None:
                raise LeaseLost(self.spec.id, claim.lease.fence)
            await self._commit(claim, held, result, step(claim, result))
        except LeaseLost:
            self._until = self.machine.clock.now()
            raise
        except BaseException:
            await finished_shielded(lambda: self.machine.store.release(claim.lease))
            raise
        return result

    async def _ended(self, state: JobState, now: datetime, fence: int) -> Result:
        """Run the poller once, on the cursor of `state`, at `now`."""
        spec, machine, began = self.spec, self.machine, trio.current_time()
        host = InProcessHost(job=spec, agents=machine.agents, count=machine.metrics.custom, mask=machine.mask)
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
        ended = await run_tick(self.bound.poller, context, self._timeout)
        duration = timedelta(seconds=trio.current_time() - began)
        outgoing: list[Outgoing] = []
        if isinstance(ended, TickAck) and (ended.deliver or host.published):
            try:
                sender = self._sender(fence, now + duration)
                outgoing = sender.everything(ended.deliver, host.published, machine.settings.max_pending_per_job)
            except PermanentError as error:
                ended = error
        return Result(ended=ended, outgoing=outgoing, duration=duration, now=now + duration)

    def _open_http(self) -> httpx.AsyncClient:
        if self._http is None:
            limits = {
                name: getattr(self.bound.config, name)
                for name in ("allow_private_networks", "max_body_bytes")
                if hasattr(self.bound.config, name)
            }
            self._http = self.machine.http.client(**limits)
        return self._http

    def _sender(self, fence: int, now: datetime) -> Sender:
        store_id = self.machine.store.store_id
        return Sender(job=self.spec, agents=self.machine.agents, store_id=store_id, fence=fence, now=now)

    def _scheduled(self, claim: Claim, result: Result) -> Step:
        """What a tick of the schedule does to the job's state."""
        state, now, ended, policy = claim.state, result.now, result.ended, self._policy()
        following = self.timetable.after(claim.now)
        slot = state.due.slot if state.due else claim.now
        match ended:
            case TickAck():
                if ended.next_interval_hint is not None and following is not None:
                    following = self.timetable.hinted(ended.next_interval_hint, now)
                return after_ack(state, ended, now=now, following=following, policy=policy)
            case PermanentError():
                return after_permanent(state, self._said(ended), now=now, following=following, policy=policy)
            case TransientError():
                pause = retry_delay(
                    state.consecutive_errors + 1, self.timetable.interval(slot), random.random(), ended.retry_after
                )
                return after_transient(state, self._said(ended), now=now, retry_at=now + pause, policy=policy)
            case HostHeld():
                again = Due(slot, now + ended.wait)  # for an `at`, which has no slot to give up
                return after_skip(state, self._said(ended), now=now, following=following or again)
            case _:
                assert_never(ended)

    def _manual(self, claim: Claim, result: Result) -> Step:
        """What a run by hand does to it."""
        if isinstance(result.ended, TickAck):
            return after_manual_ack(claim.state, result.ended, now=result.now, policy=self._policy())
        return after_manual_error(claim.state, result.status, self._said(result.ended), now=result.now)

    async def _commit(self, claim: Claim, held: HeldLease, result: Result, step: Step) -> None:
        """Save the tick whole, however often that takes, while the lease lasts (C4). Raises `LeaseLost`."""
        outgoing = [*result.outgoing, *self._alerts(step, claim.lease.fence, result.now)]
        commit = Commit(
            state=step.state,
            tick=self._record(claim, result, len(outgoing)),
            outgoing=outgoing,
            history=self.machine.settings.history_per_job,
        )
        while True:
            try:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + SHIELD):
                    await self.machine.store.commit(claim, commit)
                    break
            except StoreError as error:
                log.warning("job '%s': not committed yet: %s", self.spec.id, error)
            if trio.current_time() > held.deadline:
                raise LeaseLost(self.spec.id, claim.lease.fence)
            await trio.sleep(PAUSE)
        self._until = step.state.due.at if step.state.due and step.state.pause_reason is None else None
        self._tell(result, step, outgoing)

    def _record(self, claim: Claim, result: Result, messages: int) -> TickRecord:
        metrics = result.ended.metrics if isinstance(result.ended, TickAck) else None
        return TickRecord(
            fence=claim.lease.fence,
            slot=claim.state.due.slot if claim.state.due else None,
            started_at=claim.now,
            duration=result.duration,
            status=result.status,
            error=self._error(result.ended),
            items_seen=metrics.items_seen if metrics else 0,
            items_dispatched=metrics.items_dispatched if metrics else 0,
            messages=messages,
        )

    def _alerts(self, step: Step, fence: int, now: datetime) -> list[Outgoing]:
        if step.alert is None:
            return []
        if self.spec.failure_to is None:
            log.error("%s", step.alert)
            return []
        return [self._sender(fence, now).alert(step.alert, self.spec.failure_to)]

    def _tell(self, result: Result, step: Step, outgoing: list[Outgoing]) -> None:
        """Everybody who waits for a commit."""
        metrics, spec, ack = self.machine.metrics, self.spec, result.ended
        seen, dispatched = (
            (ack.metrics.items_seen, ack.metrics.items_dispatched) if isinstance(ack, TickAck) else (0, 0)
        )
        metrics.tick(spec, result.status, result.duration / timedelta(milliseconds=1), seen, dispatched)
        errors = step.state.consecutive_errors
        metrics.health(spec.id, errors, breaker(errors, self.machine.settings.breaker_threshold, due=False))
        if outgoing:
            self.machine.wake_relay()
        if isinstance(ack, TickAck):
            write_audit(spec, self.machine.agents, ack.deliver)
        else:
            log.warning("job '%s': %s: %s", spec.id, result.status, step.state.last_error)

    def _policy(self) -> AlertPolicy:
        settings, spec = self.machine.settings, self.spec
        return AlertPolicy(
            job_id=spec.id,
            kind=spec.kind,
            threshold=settings.breaker_threshold,
            cooldown=settings.failure_alert_cooldown,
        )

    def _report(self, result: Result) -> TickReport:
        ack = result.ended if isinstance(result.ended, TickAck) else TickAck()
        return TickReport(
            status=result.status,
            items_seen=ack.metrics.items_seen,
            items_dispatched=ack.metrics.items_dispatched,
            deliveries=len(result.outgoing),
            error=self._error(result.ended),
        )

    def _error(self, ended: Ended) -> str | None:
        return None if isinstance(ended, TickAck) else self._said(ended)

    def _said(self, error: Exception) -> str:
        return self.machine.mask(describe(error))
