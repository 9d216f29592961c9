"""`PollerRunner`: owns the nursery, the scope of every job, and the parts that they share."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, TypeVar, Unpack

import outcome
import trio
from attrs import Factory, define, evolve

from nexo_poller.broker import Broker, Handler
from nexo_poller.broker.local import LocalBroker
from nexo_poller.broker.subjects import Pattern
from nexo_poller.builtins import builtin_pollers
from nexo_poller.clock import Clock, SystemClock
from nexo_poller.config.model import Config, JobSpec
from nexo_poller.credentials import Credentials
from nexo_poller.errors import ConfigError, JobRefused, JobUnknown, Problem
from nexo_poller.kinds import discover_pollers
from nexo_poller.masking import Mask
from nexo_poller.plan import ReloadPlan, plan
from nexo_poller.poller import LlmProvider, Poller, checked_poller
from nexo_poller.runner.events import Feed, RunnerEvent
from nexo_poller.runner.job import RunningJob
from nexo_poller.runner.metrics import Metrics, NoMetrics
from nexo_poller.runner.outcome import DryRun, TickReport
from nexo_poller.runner.parts import Given, Parts, StatesOf, as_found, enlisted, open_parts, secrets_of
from nexo_poller.runner.reload import carry_out, checked
from nexo_poller.runner.silence import break_silences
from nexo_poller.runner.tick import inside
from nexo_poller.runner.views import JobDetails, JobView, details, rejected_view, view
from nexo_poller.runner.watch import bury_the_dead, follow_store, measure_the_store, watch_the_clock
from nexo_poller.state import JobState
from nexo_poller.store import DeadLetter, JobRow, Pending, Store, StoreStatistics, TickRecord
from nexo_poller.words import counted

if TYPE_CHECKING:
    from nexo_poller.http.pools import HttpPools

T = TypeVar("T")
GRACE: Final = timedelta(seconds=10)

log = logging.getLogger(__name__)


@define(eq=False)
class Serving:
    """A `serve` under way; without a nursery, it is still opening its parts."""

    nursery: trio.Nursery | None = None
    jobs: trio.Nursery | None = None
    is_finishing: bool = False
    stopping: trio.Event = Factory(trio.Event)
    over: trio.Event = Factory(trio.Event)


class RunnerParts(TypedDict, total=False):
    """What `PollerRunner` takes beside its configuration."""

    store: Store | None
    broker: Broker | None
    clock: Clock | None
    metrics: Metrics | None
    http: "HttpPools | None"
    credentials: Credentials | None
    llm_providers: Mapping[str, LlmProvider] | None


class PollerRunner:
    """Runs the jobs of a configuration.

        runner = PollerRunner.from_config("./config").register(MyPoller())
        await runner.serve()

    Every part has a default: `store` a `SqliteStore` on the configuration's `state_db`, `broker` the configuration's,
    which is a `LocalBroker` unless it says otherwise, `clock` the system's, `metrics` none, `http` pools of its own, `credentials` the configuration's.
    `llm_providers` are there beside the configuration's, and go before those of the same name. `config` None means that
    the subsystem is off: `serve` returns at once. Raises `TypeError` for a part that lacks a method.

    What asks about jobs and messages, or changes them, needs the runner to be open, by `serve` or by `opened`; it raises
    `RuntimeError` otherwise, and `StoreError` when the store does not answer.
    """

    def __init__(  # noqa: PLR0913 - the parts, each with its default
        self,
        config: Config | None,
        *,
        store: Store | None = None,
        broker: Broker | None = None,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
        http: "HttpPools | None" = None,
        credentials: Credentials | None = None,
        llm_providers: Mapping[str, LlmProvider] | None = None,
    ) -> None:
        if not isinstance(config, Config | None):
            raise TypeError(
                f"config is a Config or None, not {type(config).__name__}; for a file: PollerRunner.from_config(…)"
            )
        clock, of = clock or SystemClock(), config or Config()
        self.config = config
        self._given = Given(
            config=of,
            store=store,
            broker=broker or (LocalBroker() if of.broker.type == "local" else None),
            clock=clock,
            metrics=metrics or NoMetrics(),
            http=http,
            credentials=credentials,
            llm_providers=llm_providers or {},
            feed=Feed(clock),
        )
        self._pollers: dict[str, Poller[Any]] = {poller.kind: poller for poller in builtin_pollers()}
        self._subscriptions: list[tuple[str, Handler]] = []
        self._mask = Mask([*self._given.config.secrets, *secrets_of(self._given.config.jobs)])
        self.source: Callable[[], Config | None] | None = None
        self._reading = trio.CapacityLimiter(1)
        self._reloading = trio.Lock()
        self._is_open = False
        self._parts: Parts | None = None
        self._serving: Serving | None = None

    def __repr__(self) -> str:
        if self.config is None or not self.config.settings.enabled:
            return "<PollerRunner: off>"
        state = "serving" if self.is_serving else "not serving"
        return f"<PollerRunner: {counted(len(self.config.jobs), 'job')}, {state}>"

    @classmethod
    def from_config(cls, path: str | Path = "./config", **parts: Unpack[RunnerParts]) -> Self:
        """A runner for the file at `path`, or for the `pollers.yaml` in that folder; off if there is none (R2).

        `parts` are those that `PollerRunner` takes. It knows the built-in kinds and those of installed distributions.

        Raises `ConfigError` with every problem that refuses the whole file.
        """
        from nexo_poller.config.reading import load_config

        runner = cls(load_config(Path(path)), **parts)
        runner.source = partial(load_config, Path(path))
        for problem in (*(runner.config.warnings if runner.config else ()), *runner.register_installed()):
            log.log(logging.WARNING if problem.is_warning else logging.ERROR, "%s", problem)
        return runner

    def register(self, poller: Poller[Any]) -> Self:
        """Make a kind known. A second poller of the same kind replaces the first.

        Raises `TypeError` for what is no instance of a `Poller` with a `kind`.
        """
        self._pollers[checked_poller(poller).kind] = poller
        return self

    def register_installed(self) -> Sequence[Problem]:
        """Make the kinds of all installed distributions known; returns what is wrong with the others."""
        discovery = discover_pollers()
        for poller in discovery.pollers:
            self.register(poller)
        return discovery.problems

    def registered_kinds(self) -> list[str]:
        """The kinds that jobs may have, sorted."""
        return sorted(self._known_pollers)

    @property
    def pollers(self) -> Sequence[Poller[Any]]:
        """The code behind the kinds that jobs may have, sorted by kind; those of plugins while the runner is open."""
        return [self._known_pollers[kind] for kind in self.registered_kinds()]

    @property
    def _known_pollers(self) -> Mapping[str, Poller[Any]]:
        return {**self._pollers, **(self._parts.plugins.pollers if self._parts else {})}

    def subscribe(self, pattern: str, handler: Handler) -> None:
        """Call `handler` for every event on the topics that match, whenever the runner serves.

        Its return acknowledges the event; an exception refuses it, and it is tried again (M4). Raises `ValueError` if
        `pattern` is none.
        """
        Pattern(pattern)
        self._subscriptions.append((pattern, handler))
        if self._serving is not None and self._serving.nursery is not None:
            self._serving.nursery.start_soon(self._handle, pattern, handler)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run every job until cancelled, or until `shutdown`. Started means: every job is scheduled.

        *Cancellation.* Ticks are cancelled at once, and their leases given back; a commit under way runs to its answer.
        Jobs that are rejected are logged and listed, and the others run. Without a configuration, or with `enabled:
        false`, this reports started and returns.

        Raises `ConfigError` for accounts, secrets and channels that cannot be used, with every problem; `StoreError` if the
        store cannot be opened; `StoreRefused` if it turns out damaged later; `RuntimeError`
        if the runner serves already, or is `opened`. What is raised while jobs run comes in exception groups, as from
        any nursery.
        """
        if self.config is None or not self.config.settings.enabled:
            task_status.started()
            return
        if self._serving is not None:
            raise RuntimeError("this runner serves already")
        serving = self._serving = Serving()
        try:
            async with self._open(enlisted) as parts, trio.open_nursery() as background:
                serving.nursery = background
                self._start_background(parts, background)
                async with trio.open_nursery() as jobs:
                    serving.jobs = jobs
                    for job in parts.jobs.values():
                        jobs.start_soon(job.run)
                    log.info("serving %s, %d rejected", counted(len(parts.jobs), "job"), len(parts.rejected))
                    task_status.started()
                    await serving.stopping.wait()
                    jobs.cancel_scope.cancel()
                background.cancel_scope.cancel()
        finally:
            self._serving = None
            serving.over.set()

    async def shutdown(self, grace: timedelta = GRACE) -> None:
        """Claim nothing more, wait up to `grace` for ticks and deliveries under way, and end `serve`.

        Returns when everything is closed. A `serve` that is still opening ends as soon as it is open.

        *Cancellation.* As if the grace were over: `serve` ends at once, in its own task.
        """
        serving, parts = self._serving, self._parts
        if serving is None:
            return
        serving.is_finishing = True
        try:
            if parts is not None:
                with trio.move_on_after(max(grace.total_seconds(), 0)):
                    await self._finished(parts)
        finally:
            serving.stopping.set()
        await serving.over.wait()

    async def _finished(self, parts: Parts) -> None:
        for job in parts.jobs.values():
            job.finish()
        for job in parts.jobs.values():
            await job.gone()
        await parts.relay.finish()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """All parts open and no job running: enough for `dry_run`, `list_jobs` and `history`.

        The store is made if it is missing and brought to the present schema; no job's row is written. Raises as `serve`.
        """
        async with self._open(as_found):
            yield

    async def run_once(self, job_id: str) -> TickReport:
        """Run one tick of the job now, due or not, and commit it (R5). Schedule and pause stay as they are.

        A running tick is cut short. A failed tick is in the report's `error`, not raised.

        Raises `JobUnknown`; `JobRefused` for a rejected job, one whose outbox is full, while another run by hand is
        under way, or if this one was fenced out by a reset; `RuntimeError` from inside a tick of the same job, and
        while the runner does not serve.
        """
        if job_id in inside.get():
            raise RuntimeError(f"run_once('{job_id}') from inside a tick of that job would wait for itself")
        return await self._in_background(self._job(job_id).run_by_hand)

    async def dry_run(self, job_id: str) -> DryRun:
        """Run one tick of the job and tell what it would have done; nothing is claimed, saved or sent.

        A failed tick is in the answer's `error`, not raised. Raises `JobUnknown`, `JobRefused` for a rejected job.
        """
        job, row = self._job(job_id), (await self.store.jobs()).get(job_id)
        return await job.dry_run(row.state if row else JobState(created_at=self._given.clock.now(), due=None))

    def diff(self, config: Config) -> ReloadPlan:
        """What `reload` would do. Raises `ConfigError` with everything that would keep it from it."""
        parts = self._open_parts()
        planned = self._planned(parts, config)
        checked(planned, parts, config, self._pollers)
        return planned

    async def reload(self, config: Config) -> ReloadPlan:
        """Make the jobs of `config` the running ones, all or nothing; returns what that took (R4).

        Raises `ConfigError` with every problem of a new or changed job, `JobRefused` if a job that must go is in the
        middle of a run by hand or of a commit that does not end, `StoreError`; then nothing has changed. `RuntimeError`
        from inside a tick, and while the runner does not serve.
        """
        if inside.get():
            raise RuntimeError("reload() from inside a tick could wait for that tick itself")
        return await self._in_background(partial(self._reload, config))

    async def reread(self) -> Config:
        """The configuration as its source has it now, for `reload`. Raises `ConfigError` with every problem."""
        if self.source is None:
            raise ConfigError("this runner was given its configuration, and knows no file to read again")
        if self._given.clock.virtual:  # which does not wait for threads (O5)
            await trio.lowlevel.checkpoint()
            config = self.source()
        else:  # a big file takes half a minute, for which nobody who has gone, or is told to stop, should wait
            config = await trio.to_thread.run_sync(self.source, abandon_on_cancel=True, limiter=self._reading)
        if config is None:
            raise ConfigError("the configuration file is gone; nothing was changed")
        return config

    async def pause(self, job_id: str, reason: str = "paused by the operator") -> bool:
        """Stop the job's schedule until `resume`; whether it was awake. One that is paused already keeps its reason.

        A tick under way goes on to its end, and `run_once` still runs the job. Raises `JobUnknown`, `JobRefused` for a
        rejected job.
        """
        job, why = self._job(job_id), self.mask(reason)
        is_change = await self.store.pause(job_id, why)
        if is_change:
            self._changed(job, "paused", why)
        return is_change

    async def resume(self, job_id: str) -> bool:
        """Let the schedule of the job go on; whether it was paused.

        Raises `JobUnknown`; `JobRefused` for a rejected job, and for one that has fired (T8).
        """
        job = self._job(job_id)
        is_change = await self.store.resume(job_id)
        if is_change:
            self._changed(job, "resumed")
        return is_change

    async def set_paused(self, job_id: str, paused: bool) -> bool:
        """`pause` or `resume`, for whoever has the wish as a value, such as a switch."""
        return await (self.pause(job_id) if paused else self.resume(job_id))

    async def reset_cursor(self, job_id: str) -> None:
        """Clear cursor and errors, unpause, and fence out a running tick: the job starts over.

        Raises `JobUnknown`, `JobRefused` for a rejected job.
        """
        job = self._job(job_id)
        await self.store.reset(job.ticker.timetable)
        self._changed(job, "reset")

    async def list_jobs(self) -> list[JobView]:
        """Every configured job, in the order of the file, rejected ones last."""
        parts, rows = self._open_parts(), await self.store.jobs()
        running = [self._view(job, rows.get(job_id)) for job_id, job in parts.jobs.items()]
        return [*running, *map(rejected_view, parts.rejected.values())]

    async def job(self, job_id: str) -> JobView:
        """One job. Raises `JobUnknown`."""
        rejected = self._open_parts().rejected
        if job_id in rejected:
            return rejected_view(rejected[job_id])
        job, rows = self._job(job_id), await self.store.jobs()
        return self._view(job, rows.get(job_id))

    async def details(self, job_id: str) -> JobDetails:
        """All of one job, its config masked. Raises `JobUnknown`."""
        rejected = self._open_parts().rejected
        if job_id in rejected:
            return JobDetails(view=rejected_view(rejected[job_id]))
        job, row = self._job(job_id), (await self.store.jobs()).get(job_id)
        return details(self._view(job, row), job.spec, row, jitter=job.ticker.timetable.jitter, mask=self.mask)

    def spec(self, job_id: str) -> JobSpec:
        """The job as the configuration that runs has it, nothing in it masked. Raises `JobUnknown`, `JobRefused`."""
        return self._job(job_id).spec

    async def cursor(self, job_id: str) -> bytes | None:
        """The job's cursor. Raises `JobUnknown`."""
        self._job(job_id)
        row = (await self.store.jobs()).get(job_id)
        return row.state.cursor if row else None

    async def set_cursor(self, job_id: str, cursor: bytes | None) -> None:
        """Give a paused job another cursor.

        Raises `JobUnknown`; `JobRefused` unless the job is paused; `ConfigError` if its poller refuses the cursor.
        """
        job = self._job(job_id)
        if cursor is not None:
            job.ticker.bound.poller.validate_cursor(cursor)
        await self.store.set_cursor(job_id, cursor)
        self._changed(job, "cursor")

    async def outbox(self, limit: int = 100, after: int = 0, job_id: str | None = None) -> list[Pending]:
        """At most `limit` messages on their way, in the order of commit, beyond the `seq` `after`; all, or of one job."""
        return await self.store.waiting(limit, after, job_id)

    async def dead_letters(self, limit: int = 100, after: int = 0, job_id: str | None = None) -> list[DeadLetter]:
        """At most `limit` messages refused too often, oldest first, beyond the `seq` `after`; all, or of one job."""
        return await self.store.dead_letters(limit, after, job_id)

    async def replay_dead_letter(self, seq: int) -> None:
        """Send a dead letter again, with its id. Raises `DeadLetterUnknown`."""
        await self.store.replay(seq)
        self._open_parts().relay.wake()

    async def discard_dead_letter(self, seq: int) -> None:
        """Delete a dead letter. Raises `DeadLetterUnknown`."""
        await self.store.discard(seq)

    async def discard_dead_letters(self) -> int:
        """Delete all dead letters; returns how many."""
        return await self.store.discard_all()

    async def recent_ticks(self, job_ids: Sequence[str], limit: int = 50) -> Mapping[str, list[TickRecord]]:
        """The latest ticks, `limit` at most, of each of these jobs, newest first."""
        return await self.store.recent_ticks(job_ids, limit)

    async def history(self, job_id: str, limit: int = 20) -> list[TickRecord]:
        """The job's latest ticks, newest first. Raises `JobUnknown`; `ValueError` for a negative limit."""
        if limit < 0:
            raise ValueError(f"a history of {limit} ticks is none")
        self._job(job_id)
        return await self.store.history(job_id, limit)

    async def statistics(self) -> StoreStatistics:
        """How much waits and has died in the store, and how many of the configured jobs are in which state."""
        parts = self._open_parts()
        found = await self.store.statistics(parts.jobs.keys())
        return evolve(found, jobs={**found.jobs, "rejected": len(parts.rejected)})

    def unrouted(self) -> set[str]:
        """Topics with messages that nobody subscribes to."""
        return self._open_parts().relay.unrouted()

    @contextmanager
    def events(self) -> Iterator[AsyncIterator[RunnerEvent]]:
        """What this runner does during the block, as it happens.

            with runner.events() as events:
                async for event in events:
                    print(event.kind, event.data)

        A reader that is too slow loses the oldest events, and is told how many. Listening may begin before `serve`.
        """
        with self._given.feed.listening() as reader:
            yield reader

    @property
    def is_serving(self) -> bool:
        """Whether jobs run and can be steered: from when `serve` has started until a shutdown begins."""
        return self._serving is not None and self._serving.nursery is not None and not self._serving.is_finishing

    @property
    def mask(self) -> Mask:
        """Takes what is secret in the configuration out of a text (O2), also before and after the runner is open."""
        return self._mask

    @property
    def credentials(self) -> Credentials:
        """The accounts of agents, for tools; every use is audited. Raises `RuntimeError` while not open."""
        return self._open_parts().machine.credentials

    @property
    def http(self) -> "HttpPools":
        """The connection pools of all jobs, for tools. Raises `RuntimeError` while not open."""
        return self._open_parts().machine.http

    @property
    def store(self) -> Store:
        """The open store. Raises `RuntimeError` while the runner is not open."""
        return self._open_parts().machine.store

    @property
    def metrics(self) -> Metrics:
        """What counts for this runner."""
        return self._given.metrics

    @property
    def broker(self) -> Broker:
        """Where messages go; subscribe to it for a stream of them.

        Raises `RuntimeError` while the runner is not open, if the broker is opened with it.
        """
        return self._given.broker or self._open_parts().broker

    def _open_parts(self) -> Parts:
        if self._parts is None:
            raise RuntimeError("the runner is not open: await runner.serve(), or use `async with runner.opened()`")
        return self._parts

    def _job(self, job_id: str) -> RunningJob:
        parts = self._open_parts()
        if job_id in parts.rejected:
            raise JobRefused(job_id, "it was rejected: " + "; ".join(map(str, parts.rejected[job_id].problems)))
        if job_id not in parts.jobs:
            raise JobUnknown(job_id, known=parts.jobs)
        return parts.jobs[job_id]

    def _view(self, job: RunningJob, row: JobRow | None) -> JobView:
        threshold = job.ticker.machine.settings.breaker_threshold
        return view(job.spec, row, threshold=threshold, now=self._given.clock.now())

    @asynccontextmanager
    async def _open(self, states_of: StatesOf) -> AsyncIterator[Parts]:
        if self._is_open:
            raise RuntimeError("this runner is open already")
        self._is_open = True
        try:
            async with open_parts(self._given, self._pollers, states_of) as parts:
                self._parts, self._mask = parts, parts.machine.mask
                try:
                    yield parts
                finally:
                    self._parts = None
        finally:
            self._is_open = False

    def _planned(self, parts: Parts, config: Config) -> ReloadPlan:
        from nexo_poller.config.binding import provider_of

        running = evolve(parts.config, jobs=tuple(job.spec for job in parts.bound))
        return plan(running, config, partial(provider_of, pollers=self._known_pollers))

    async def _reload(self, config: Config) -> ReloadPlan:
        async with self._reloading:
            parts, serving = self._open_parts(), self._serving
            if serving is None or serving.jobs is None:
                raise RuntimeError("the runner does not serve, or is about to stop")
            planned, told = self._planned(parts, config), parts.config.warnings
            await carry_out(planned, parts, checked(planned, parts, config, self._pollers), serving.jobs)
            self.config, self._given, self._mask = config, evolve(self._given, config=config), parts.machine.mask
            log.info(
                "reloaded: %d added, %d replaced, %d removed, %d kept",
                *map(len, (planned.add, planned.replace, planned.remove, planned.keep)),
            )
            for warning in config.warnings:
                if warning not in told:
                    log.warning("%s", warning)
            self._given.feed.tell(
                "reload", add=planned.add, replace=planned.replace, remove=planned.remove, keep=len(planned.keep)
            )
            return planned

    def _changed(self, job: RunningJob, change: str, reason: str | None = None) -> None:
        job.wake()
        self._given.feed.tell("state", job_id=job.spec.id, change=change, reason=reason)

    def _start_background(self, parts: Parts, nursery: trio.Nursery) -> None:
        nursery.start_soon(parts.relay.run)
        nursery.start_soon(follow_store, parts)
        nursery.start_soon(break_silences, parts)
        if not self._given.clock.virtual:  # where there are no other processes, and wall time never jumps (O5)
            nursery.start_soon(bury_the_dead, parts)
            nursery.start_soon(watch_the_clock, parts)
            nursery.start_soon(measure_the_store, parts, self.statistics)
        for pattern, handler in self._subscriptions:
            nursery.start_soon(self._handle, pattern, handler)

    async def _handle(self, pattern: str, handler: Handler) -> None:
        async with self.broker.handle(pattern, handler):
            await trio.sleep_forever()

    async def _in_background(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` in the runner's own nursery; a caller that goes away leaves it running to its end (R4)."""
        if self._serving is None or self._serving.nursery is None or self._serving.is_finishing:
            raise RuntimeError("the runner does not serve, or is about to stop")
        done, ended = trio.Event(), list[outcome.Outcome[T]]()

        async def run() -> None:
            try:
                ended.append(outcome.Value(await work()))
            except Exception as error:  # noqa: BLE001 - it is the caller's; a cancellation is the runner's own
                ended.append(outcome.Error(error))
            finally:
                done.set()

        self._serving.nursery.start_soon(run)
        await done.wait()
        if not ended:
            raise RuntimeError("the runner stopped before this had ended")
        return ended[0].unwrap()
