"""What is open while a runner is: the store, the pools, every poller's lifespan, the channels, and the jobs."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from attrs import define, field, frozen
from attrs.validators import optional

from nexo_poller.broker import Broker
from nexo_poller.clock import Clock
from nexo_poller.config.model import Config, JobSpec, RejectedJob
from nexo_poller.credentials import AuditedCredentials, ConfiguredCredentials, Credentials
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.masking import Mask, header_values
from nexo_poller.of_type import like
from nexo_poller.plugins.opening import Plugins, Reach, pollers_of
from nexo_poller.plugins.router import PluginPollerHandle
from nexo_poller.poller import LlmProvider, Poller
from nexo_poller.runner.counting import Counting
from nexo_poller.runner.events import Feed
from nexo_poller.runner.job import RunningJob
from nexo_poller.runner.metrics import Metrics
from nexo_poller.runner.opened_broker import open_broker
from nexo_poller.runner.plugin_host import PluginHost
from nexo_poller.runner.relay import Relay
from nexo_poller.runner.ticker import Machine, Ticker
from nexo_poller.state import JobState
from nexo_poller.store import Registration, Store
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.timetable import Timetable

if TYPE_CHECKING:  # httpx loads rich where it is installed, and takes as long as all the rest
    from nexo_poller.config.binding import BoundJob, Provided
    from nexo_poller.http.pools import HttpPools

StatesOf = Callable[[Store, Sequence[Registration]], Awaitable[Mapping[str, JobState]]]

log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Given:
    """What a runner has before it is open; None: the embedded default is opened and closed with it."""

    config: Config
    store: Store | None = field(validator=optional(like(Store, write='SqliteStore("poller.db")')))
    broker: Broker | None = field(validator=optional(like(Broker, write="LocalBroker()")))
    clock: Clock = field(validator=like(Clock, write="SystemClock()"))
    metrics: Metrics = field(validator=like(Metrics, write="PrometheusMetrics()"))
    http: "HttpPools | None"
    credentials: Credentials | None = field(validator=optional(like(Credentials)))
    llm_providers: Mapping[str, LlmProvider]
    feed: Feed

    @property
    def provided(self) -> "Provided":
        """What the configuration need not have."""
        from nexo_poller.config.binding import Provided

        return Provided(has_credentials=self.credentials is not None, llm_providers=self.llm_providers)


@define(eq=False, kw_only=True)
class Parts:
    """The machine, its relay, and every job, running or rejected. A reload exchanges what differs."""

    given: Given
    config: Config
    broker: Broker
    machine: Machine
    relay: Relay
    jobs: Mapping[str, RunningJob]
    rejected: Mapping[str, RejectedJob]
    plugins: Plugins

    @property
    def bound(self) -> list["BoundJob"]:
        """The jobs that run, with their pollers."""
        return [job.ticker.bound for job in self.jobs.values()]

    def wake_all(self) -> None:
        """Make the relay and every job look at the store again."""
        self.relay.wake()
        for job in self.jobs.values():
            job.wake()


@frozen
class Desk:
    """What the runner does for one plugin; see `PluginServices`. What a reload exchanges is looked up every time."""

    _parts: Parts
    _handle: PluginPollerHandle

    def agents(self) -> Collection[str]:
        """See `PluginServices`."""
        specs = [job.spec for job in self._parts.jobs.values()]
        return {spec.agent for spec in specs if spec.kind in self._handle.kinds}

    def host(self, agent_id: str | None = None) -> PluginHost:
        """See `PluginServices`."""
        machine = self._parts.machine
        return PluginHost(
            plugin_id=self._handle.plugin_id,
            agent_id=agent_id,
            broker=self._parts.broker,
            clock=machine.clock,
            credentials=machine.credentials,
            llm=machine.llm,
            counting=machine.counting,
            mask=machine.mask,
        )


@asynccontextmanager
async def open_parts(given: Given, pollers: Mapping[str, Poller[Any]], states_of: StatesOf) -> AsyncIterator[Parts]:
    """Everything that jobs need, open during the block; `states_of` is `enlisted`, or `as_found`.

    Raises `ConfigError` for accounts, secrets, channels and plugins that cannot be used, `StoreError` if the store cannot be opened.
    """
    from nexo_poller.channels import open_channels
    from nexo_poller.config.binding import bind_jobs
    from nexo_poller.config.plugin_kinds import kinds_taken, owners_of
    from nexo_poller.http.pools import HttpPools
    from nexo_poller.llm.providers import open_providers

    config, clock = given.config, given.clock
    async with AsyncExitStack() as stack:
        broker = given.broker
        if broker is None:
            broker = await stack.enter_async_context(open_broker(config))
        plugins = Plugins(Reach(config.broker, broker))
        wanted = plugins.wanted(config.plugins)
        bound, rejected = bind_jobs(config, {**pollers, **pollers_of(wanted)}, given.provided)
        for job in rejected:
            log.error("rejected: %s", "\n".join(map(str, job.problems)))
        if problems := (*kinds_taken(owners_of(config), pollers, config.where), *account_problems(config, given)):
            raise ConfigError(*problems)
        for poller in pollers.values():
            await stack.enter_async_context(poller.lifespan(clock))
        await stack.enter_async_context(open_channels(broker, config.channels, clock))
        http = given.http
        if http is None:
            http = await stack.enter_async_context(HttpPools.open(clock=clock))
        store: Store = given.store or SqliteStore(config.settings.state_db, clock=clock)
        mask = Mask([*config.secrets, *secrets_of(job.spec for job in bound)])
        counting = Counting(given.metrics, mask)
        store.observe(lambda batch: counting("the store", lambda metrics: metrics.batch(batch)))
        await stack.enter_async_context(store)

        def count_tokens(provider: str, model: str, usage: Mapping[str, int]) -> None:
            counting(f"provider '{provider}'", lambda metrics: metrics.tokens(provider, model, usage))

        llm = open_providers(config.providers, given.llm_providers, clock, count_tokens)
        attempts, feed = config.settings.max_delivery_attempts, given.feed
        relay = Relay(store=store, broker=broker, clock=clock, mask=mask, max_attempts=attempts, feed=feed)
        machine = Machine(
            store=store,
            clock=clock,
            http=http,
            counting=counting,
            settings=config.settings,
            agents=config.agents,
            credentials=credentials_of(config, given),
            llm=await stack.enter_async_context(llm),
            mask=mask,
            places=trio.CapacityLimiter(config.settings.max_concurrent_ticks),
            wake_relay=relay.wake,
            feed=feed,
        )
        parts = Parts(
            given=given,
            config=config,
            broker=broker,
            machine=machine,
            relay=relay,
            jobs=await _jobs(bound, machine, states_of),
            rejected={job.id: job for job in rejected},
            plugins=plugins,
        )
        async with plugins.running(wanted, partial(Desk, parts)):
            yield parts


async def enlisted(store: Store, registrations: Sequence[Registration]) -> Mapping[str, JobState]:
    """The states of jobs that are about to run."""
    await store.bury()
    states = await store.register(registrations)
    for job_id, state in states.items():
        if state.due is not None and state.pause_reason is not None:  # at every start, lest nobody see it
            log.warning("job '%s' is paused: %s", job_id, state.pause_reason)
    return states


async def as_found(store: Store, registrations: Sequence[Registration]) -> Mapping[str, JobState]:  # noqa: ARG001
    """The states of jobs that are only looked at."""
    return {job_id: row.state for job_id, row in (await store.jobs()).items()}


async def _jobs(bound: Sequence["BoundJob"], machine: Machine, states_of: StatesOf) -> dict[str, RunningJob]:
    registrations = [registration(job.spec, machine.settings.default_jitter) for job in bound]
    states = await states_of(machine.store, registrations)
    return {
        job.spec.id: enlisted_job(job, registered, states.get(job.spec.id), machine)
        for job, registered in zip(bound, registrations, strict=True)
    }


def enlisted_job(bound: "BoundJob", registered: Registration, state: JobState | None, machine: Machine) -> RunningJob:
    """A job that is ready to run, anchored at the creation of its state (T1)."""
    due = state.due if state and state.pause_reason is None else None
    timetable = registered.timetable.anchored(state.created_at) if state else registered.timetable
    ticker = Ticker(bound=bound, timetable=timetable, machine=machine)
    if state:  # what an earlier process knew, a scrape before the first tick shall show
        ticker.report_health(state, machine.clock.now())
    return RunningJob(ticker=ticker, until=due.at if due else None, slot=due.slot if due else None)


def registration(spec: JobSpec, default_jitter: timedelta) -> Registration:
    """How a job introduces itself to the store."""
    jitter = default_jitter if spec.schedule.jitter is None else spec.schedule.jitter
    timetable = Timetable(job_id=spec.id, schedule=spec.schedule, jitter=jitter, misfire=spec.misfire)
    return Registration(timetable=timetable, paused_on_boot=spec.paused_on_boot)


def account_problems(config: Config, given: Given) -> tuple[Problem, ...]:
    """What is wrong with the accounts of the configuration, if they are to be used."""
    from nexo_poller.config.crosscheck import check_accounts

    return () if given.credentials else check_accounts(config)


def credentials_of(config: Config, given: Given) -> Credentials:
    """Where pollers and tools find accounts: what was given, or else the configuration."""
    return AuditedCredentials(given.credentials or ConfiguredCredentials(config))


def secrets_of(jobs: Iterable[JobSpec]) -> list[str]:
    """What the jobs' own configs keep secret: the values of their headers (O2)."""
    return [value for job in jobs for value in header_values(job.config)]
