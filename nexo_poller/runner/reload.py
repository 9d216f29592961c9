"""Hot reload: from the configuration that runs to another one, all or nothing (R4).

Theory of operation. Everything is checked before anything is touched. Then the jobs that must go are held: a tick under
way is cut short and joined, none begins, and for as long as they are only held they can be let go as if nothing had
been. Next comes the one write to the store, which registers what is new or changed, whole or not at all. Only then are
the held jobs stopped, plugins that are gone or changed exchanged, and the successors of the jobs started. A plugin that
does not come up is no reason to go back: its jobs will say so. Kept jobs are not woken; they notice nothing.

What of a daemon is open for all jobs cannot be exchanged under them: a changed `state_db`, `admin:`, `broker:`,
`channels:` or `enabled` is refused, and asks for a restart.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import methodcaller
from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve, frozen

from nexo_poller.config.model import Config
from nexo_poller.errors import ConfigError, JobRefused, Problem
from nexo_poller.masking import Mask
from nexo_poller.plan import ReloadPlan
from nexo_poller.plugins.opening import Plugin, pollers_of
from nexo_poller.runner.job import RunningJob
from nexo_poller.runner.parts import Parts, account_problems, credentials_of, enlisted_job, registration, secrets_of

if TYPE_CHECKING:
    from nexo_poller.config.binding import BoundJob, Pollers

LONGEST_COMMIT: Final = 5.0  # seconds
RESTART: Final = "restart the daemon for it"


@frozen
class Successors:
    """What a reload starts, checked: jobs with their pollers, and the plugins, of which those that stay run already."""

    config: Config
    bound: "Sequence[BoundJob]"
    plugins: Mapping[str, Plugin]


def checked(plan: ReloadPlan, parts: Parts, wanted: Config, pollers: "Pollers") -> Successors:
    """What there is to start. Raises `ConfigError` with everything that is in the way."""
    from nexo_poller.config.binding import bind_jobs
    from nexo_poller.config.plugin_kinds import kinds_taken, owners_of

    new, given = {*plan.add, *plan.replace}, parts.given
    plugins = parts.plugins.wanted(wanted.plugins)
    jobs = tuple(job for job in wanted.jobs if job.id in new)
    bound, rejected = bind_jobs(evolve(wanted, jobs=jobs), {**pollers, **pollers_of(plugins)}, given.provided)
    problems = [*(problem for job in rejected for problem in job.problems), *account_problems(wanted, given)]
    problems += kinds_taken(owners_of(wanted), pollers, wanted.where)
    running = parts.config
    if running.settings.state_db != wanted.settings.state_db:
        problems.append(Problem(what="`pollers.state_db` was changed", remedy=RESTART))
    if running.settings.enabled != wanted.settings.enabled:
        problems.append(Problem(what="`pollers.enabled` was changed", remedy=RESTART))
    if running.admin != wanted.admin:
        problems.append(Problem(what="`admin:` was changed", remedy=RESTART))
    if running.channels != wanted.channels:
        problems.append(Problem(what="`channels:` were changed", remedy=RESTART))
    if running.broker != wanted.broker:
        problems.append(Problem(what="`broker:` was changed", remedy=RESTART))
    if problems:
        raise ConfigError(*problems)
    return Successors(wanted, bound, plugins)


async def carry_out(plan: ReloadPlan, parts: Parts, successors: Successors, nursery: trio.Nursery) -> None:
    """Make the successors the running ones. Raises `JobRefused` or `StoreError`, and then nothing has changed."""
    wanted, bound = successors.config, successors.bound
    leaving = [parts.jobs[job_id] for job_id in (*plan.replace, *plan.remove)]
    async with held(leaving):
        mask = Mask([*parts.config.secrets, *wanted.secrets, *secrets_of(parts.config.jobs), *secrets_of(wanted.jobs)])
        machine = evolve(
            parts.machine,
            settings=wanted.settings,
            agents=wanted.agents,
            credentials=credentials_of(wanted, parts.given),
            mask=mask,
        )
        jitter, added = wanted.settings.default_jitter, set(plan.add)
        registrations = [
            registration(job.spec if job.spec.id in added else evolve(job.spec, paused_on_boot=False), jitter)
            for job in bound
        ]
        states = await machine.store.register(registrations)
        async with trio.open_nursery() as stopping:
            for job in leaving:
                stopping.start_soon(job.stop)
    started = {
        job.spec.id: enlisted_job(job, registered, states.get(job.spec.id), machine)
        for job, registered in zip(bound, registrations, strict=True)
    }
    specs = {spec.id: spec for spec in wanted.jobs}
    for job_id in plan.keep:
        ticker = parts.jobs[job_id].ticker
        ticker.bound, ticker.machine = evolve(ticker.bound, spec=specs[job_id]), machine
    for job_id in plan.remove:
        machine.counting(f"job '{job_id}'", methodcaller("forget", job_id))
    machine.places.total_tokens = wanted.settings.max_concurrent_ticks
    machine.llm.settings = wanted.providers
    parts.relay.mask, parts.relay.max_attempts = mask, wanted.settings.max_delivery_attempts
    parts.jobs = {job_id: started.get(job_id) or parts.jobs[job_id] for job_id in specs}
    parts.machine, parts.rejected, parts.config = machine, {}, wanted
    await parts.plugins.exchange(successors.plugins)  # plugins ask `parts` what they may have; jobs ask the plugins
    for job in started.values():
        nursery.start_soon(job.run)


@asynccontextmanager
async def held(jobs: Sequence[RunningJob]) -> AsyncIterator[None]:
    """No tick of these jobs during the block. Raises `JobRefused` if one cannot be cut short in `LONGEST_COMMIT`."""
    holding: list[RunningJob] = []
    try:
        for job in jobs:
            job.hold()
            holding.append(job)
        with trio.move_on_after(LONGEST_COMMIT):
            for job in jobs:
                await job.still()
        for job in jobs:
            if not job.is_still:
                raise JobRefused(job.spec.id, "its tick is still being committed; nothing was changed, try again")
        yield
    finally:
        for job in holding:
            job.let_go()
