"""What runs and commits the ticks of one job, whoever asked for them: its schedule, or an operator."""

import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field, frozen

from nexo_poller.breaker import breaker
from nexo_poller.clock import Clock
from nexo_poller.config.model import Settings
from nexo_poller.credentials import Credentials
from nexo_poller.errors import CredentialsMissing, LeaseLost, PermanentError, StoreError, StoreRefused
from nexo_poller.failures import LONGEST_ERROR, describe
from nexo_poller.host import Agents, InProcessHost
from nexo_poller.masking import Mask
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.runner.counting import Counting
from nexo_poller.runner.deliveries import tell_of_dead_letter
from nexo_poller.runner.events import Feed
from nexo_poller.runner.lease import HeldLease
from nexo_poller.runner.metrics import Metrics
from nexo_poller.runner.outcome import Outcome, record
from nexo_poller.runner.outgoing import Sender, audit_sent, audit_unsent
from nexo_poller.runner.patience import PAUSE, SHIELD, finished_shielded
from nexo_poller.runner.tick import Ended, run_tick
from nexo_poller.state import JobState, Step
from nexo_poller.store import Claim, Commit, Outgoing, Store
from nexo_poller.timetable import Timetable

if TYPE_CHECKING:
    import httpx

    from nexo_poller.config.binding import BoundJob
    from nexo_poller.http.pools import HttpPools
    from nexo_poller.llm.providers import Providers

NO_FENCE: Final = 0  # that of a run which will not be committed
Follow = Callable[[Claim, Outcome], Step]

log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Machine:
    """What all jobs of a runner share."""

    store: Store
    clock: Clock
    http: "HttpPools"
    counting: Counting
    settings: Settings
    agents: Agents
    credentials: Credentials
    llm: "Providers"
    mask: Mask
    places: trio.CapacityLimiter
    wake_relay: Callable[[], None]
    feed: Feed


@frozen
class Ticked:
    """A tick that was committed, and the state that it left."""

    outcome: Outcome
    state: JobState


@define(eq=False, kw_only=True)
class Ticker:
    """Runs ticks of one job, one at a time."""

    bound: "BoundJob"
    timetable: Timetable
    machine: Machine
    _http: "httpx.AsyncClient | None" = field(default=None, repr=False)

    @property
    def timeout(self) -> timedelta:
        """How long a tick may take."""
        return self.bound.spec.tick_timeout or self.machine.settings.tick_timeout

    async def run(self, claim: Claim, held: HeldLease, follow: Follow) -> Ticked:
        """Run and commit a tick under a lease, which is given back whatever happens. Raises `LeaseLost`."""
        try:
            await trio.lowlevel.checkpoint_if_cancelled()  # a claim is granted even to the cancelled (L6)
            outcome = await self._outcome_while_held(claim, held)
            step = follow(claim, outcome)
            await self._commit(claim, held, outcome, step)
        except BaseException:
            await finished_shielded(lambda: self.machine.store.release(claim.lease))
            raise
        return Ticked(outcome, step.state)

    async def outcome(self, state: JobState, now: datetime, fence: int) -> Outcome:
        """Run the poller once, on the cursor of `state`, at `now`; with `NO_FENCE`, as a dry run."""
        spec, machine, began = self.bound.spec, self.machine, trio.current_time()
        host = InProcessHost(
            job=spec,
            credentials=machine.credentials,
            llm=machine.llm,
            count=self._count_custom,
            mask=machine.mask,
        )
        context: PollContext[Any] = PollContext(
            job_id=spec.id,
            agent_id=spec.agent,
            kind=spec.kind,
            config=self.bound.config,
            cursor=state.cursor,
            now=now,
            interval_hint=self.timetable.interval(state.due.slot if state.due else now),
            host=host,
            is_dry_run=fence == NO_FENCE,
            open_http=self._open_http,
        )
        ended = await run_tick(self.bound.poller, context, self.timeout)
        duration = timedelta(seconds=trio.current_time() - began)
        outgoing: tuple[Outgoing, ...] = ()
        if isinstance(ended, TickAck) and (ended.deliver or host.published):
            try:
                sender, limit = self._sender(fence, now + duration), machine.settings.max_pending_per_job
                outgoing = tuple(sender.everything(ended.deliver, host.published, limit))
            except PermanentError as error:
                if isinstance(error, CredentialsMissing):
                    audit_unsent(spec, error)
                ended = error
        return Outcome(ended=ended, error=self._said(ended), outgoing=outgoing, duration=duration, now=now + duration)

    def alerts(self, step: Step, fence: int, now: datetime) -> tuple[Outgoing, ...]:
        """The message, if any, that tells the operator of `step`, with an id made from `fence`."""
        if step.alert is None or self.bound.spec.failure_to is None:
            return ()
        return (self._sender(fence, now).alert(step.alert, self.bound.spec.failure_to),)

    def count(self, count: Callable[[Metrics], None]) -> None:
        """Let metrics count something of this job."""
        self.machine.counting(f"job '{self.bound.spec.id}'", count)

    def report_health(self, state: JobState, now: datetime) -> None:
        """Tell the metrics how the job stands at `now`."""
        errors, is_due = state.consecutive_errors, state.due is not None and state.due.at <= now
        health = breaker(errors, self.machine.settings.breaker_threshold, due=is_due)
        self.count(lambda metrics: metrics.health(self.bound.spec, errors, health, state.last_success_at))

    async def _outcome_while_held(self, claim: Claim, held: HeldLease) -> Outcome:
        """Run the poller; raises `LeaseLost` if the lease ends first."""
        outcomes: list[Outcome] = []
        async with held.kept():
            outcomes.append(await self.outcome(claim.state, claim.now, claim.lease.fence))
        if not outcomes:
            raise LeaseLost(claim.lease.key, claim.lease.fence)
        return outcomes[0]

    async def _commit(self, claim: Claim, held: HeldLease, outcome: Outcome, step: Step) -> None:
        """Save the tick whole, however often that takes, while the lease lasts (C4). Raises `LeaseLost`."""
        outgoing = (*outcome.outgoing, *self.alerts(step, claim.lease.fence, outcome.now))
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
        audit_sent(self.bound.spec, outgoing)
        self._tell(claim, outcome, step)
        for one in outgoing:
            if one.error is not None:
                tell_of_dead_letter(self.machine.feed, self.bound.spec.id, one.message, one.error)
        if outgoing:
            self.machine.wake_relay()

    def _tell(self, claim: Claim, outcome: Outcome, step: Step) -> None:
        """Everybody who waits to hear of a commit."""
        spec, items = self.bound.spec, outcome.items
        latency_ms = outcome.duration / timedelta(milliseconds=1)
        self.count(lambda m: m.tick(spec, outcome.status, latency_ms, items.items_seen, items.items_dispatched))
        self.report_health(step.state, outcome.now)
        self._tell_listeners(claim, outcome, step)
        if step.alert is not None and spec.failure_to is None:
            log.log(logging.ERROR if step.state.consecutive_errors else logging.INFO, "%s", step.alert)
        if not isinstance(outcome.ended, TickAck):
            log.warning("job '%s': %s: %s", spec.id, outcome.status, outcome.error)

    def _tell_listeners(self, claim: Claim, outcome: Outcome, step: Step) -> None:
        spec, feed = self.bound.spec, self.machine.feed
        feed.tell(
            "tick",
            job_id=spec.id,
            kind=spec.kind,
            agent=spec.agent,
            status=outcome.status,
            error=outcome.error or None,
            duration_ms=outcome.duration // timedelta(milliseconds=1),
            items_seen=outcome.items.items_seen,
            items_dispatched=outcome.items.items_dispatched,
            messages=len(outcome.outgoing),
        )
        if step.state.pause_reason is not None and claim.state.pause_reason is None:
            feed.tell("state", job_id=spec.id, change="paused", reason=step.state.pause_reason)

    def _said(self, ended: Ended) -> str:
        """What a failed tick says of itself, as it may be shown and kept (O2)."""
        if isinstance(ended, TickAck):
            return ""
        if log.isEnabledFor(logging.DEBUG):
            trace = self.machine.mask("".join(traceback.format_exception(ended)))
            log.debug("job '%s': the tick raised\n%s", self.bound.spec.id, trace)
        return self.machine.mask(describe(ended))[:LONGEST_ERROR]

    def _count_custom(self, name: str, labels: Mapping[str, Any]) -> None:
        mask = self.machine.mask
        self.count(lambda m: m.custom(name, {label: mask(str(value)) for label, value in labels.items()}))

    def _sender(self, fence: int, now: datetime) -> Sender:
        machine = self.machine
        return Sender(
            job=self.bound.spec,
            agents=machine.agents,
            store_id=machine.store.store_id,
            fence=fence,
            now=now,
            mask=machine.mask,
        )

    def _open_http(self) -> "httpx.AsyncClient":
        """One client for all ticks of the job, so that a host's hold on it is its own (R6)."""
        if self._http is None:
            self._http = self.machine.http.client_for(self.bound.config)
        return self._http
