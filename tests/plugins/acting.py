"""A runner with real plugins, which do as the configs of the jobs say."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import trio
from attrs import Factory, define

from nexo_poller.broker import Event
from nexo_poller.broker.local import LocalBroker
from nexo_poller.config.model import Config, JobSpec
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.poller import LlmProvider
from nexo_poller.runner.outcome import TickReport
from nexo_poller.runner.prometheus import PrometheusMetrics
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.schedule import Every
from nexo_poller.store.sqlite import SqliteStore

ACTOR = Path(__file__).with_name("actor.py")
SOON = 30.0  # seconds; nothing here takes so long


def actor(folder: Path, *kinds: str, env: Mapping[str, str] | None = None, **changes: Any) -> PluginManifest:
    """The manifest of a plugin with these kinds."""
    fields: Mapping[str, Any] = {
        "id": "acme",
        "version": "1.0.0",
        "name": "Acme",
        "command": sys.executable,
        "args": ("-I", "-S", str(ACTOR)),
        "env": {"KINDS": ",".join(kinds or ("act",)), **(env or {})},
        "kinds": kinds or ("act",),
        "broker_topic_prefix": "plugin.poller.acme",
        "folder": folder,
        "path": folder / "nexo-plugin.toml",
        **changes,
    }
    return PluginManifest(**fields)


def act(script: str = "reply()", id: str = "inbox", **changes: Any) -> JobSpec:  # noqa: A002 - as the file calls it
    """A job that runs when somebody asks for it, with a tick that is this script."""
    fields: Mapping[str, Any] = {
        "kind": "act",
        "agent": "ana",
        "schedule": Every(timedelta(hours=1), jitter=timedelta()),
        "paused_on_boot": True,
        "config": {"script": script, **changes.pop("config", {})},
        **changes,
    }
    return JobSpec(id=id, **fields)


@define(eq=False)
class Acting:
    """A serving runner, and what it has sent."""

    runner: PollerRunner
    metrics: PrometheusMetrics
    sent: list[Event] = Factory(list)
    _arrived: trio.Event = Factory(trio.Event)

    async def run(self, job_id: str = "inbox") -> TickReport:
        """One tick of the job."""
        with trio.fail_after(SOON):
            return await self.runner.run_once(job_id)

    async def error(self, job_id: str = "inbox") -> str:
        """What is wrong with a tick of the job."""
        return str((await self.run(job_id)).error)

    async def payloads(self, count: int) -> list[Any]:
        """What has been sent, once there are so many."""
        with trio.fail_after(SOON):
            while len(self.sent) < count:
                await self._arrived.wait()
                self._arrived = trio.Event()
        return [event.payload for event in self.sent]

    async def take(self, event: Event) -> None:
        self.sent.append(event)
        self._arrived.set()


@asynccontextmanager
async def serving(runner: PollerRunner) -> AsyncIterator[None]:
    """The runner serves during the block, and is shut down after it."""
    async with trio.open_nursery() as nursery:
        with trio.fail_after(SOON):
            await nursery.start(runner.serve)
        yield
        with trio.fail_after(SOON):
            await runner.shutdown()


@asynccontextmanager
async def acting(
    folder: Path,
    *jobs: JobSpec,
    plugins: tuple[PluginManifest, ...] | None = None,
    llm_providers: Mapping[str, LlmProvider] | None = None,
    **changes: Any,
) -> AsyncIterator[Acting]:
    """Serves during the block, and is shut down after it."""
    config = Config(jobs=jobs or (act(),), plugins=(actor(folder),) if plugins is None else plugins, **changes)
    metrics = PrometheusMetrics()
    store = SqliteStore(folder / "poller.db")
    runner = PollerRunner(config, store=store, broker=LocalBroker(), metrics=metrics, llm_providers=llm_providers)
    running = Acting(runner, metrics)
    runner.subscribe("plugin.>", running.take)
    async with serving(runner):
        yield running
