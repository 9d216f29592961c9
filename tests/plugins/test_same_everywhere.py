"""The same poller, in the daemon's process and in others: nobody who looks at the daemon can tell where it ran."""

import json
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import trio
from attrs import frozen
from llm_fake import LlmFake, llm_fake
from many_sided import ALONE, CALLING_BACK, EVERY_BYTE, ManySided
from nats_server import NatsServer
from speaking import MANY_SIDED

from nexo_poller import Config, Every, JobSpec, PollerRunner, PrometheusMetrics, Settings, TickReport
from nexo_poller.broker import Event
from nexo_poller.config.model import BrokerSettings
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.plugins.nats import NatsTransport
from nexo_poller.plugins.stdio import StdioTransport

Way = Literal["in process", "ephemeral", "stdio", "nats"]

MANIFEST: Final = """
[plugin]
id = "many-sided"
version = "1.0.0"

[plugin.poller]
kinds = ["many_sided"]
broker_topic_prefix = "plugin.poller.many_sided"
"""
SHORT: Final = timedelta(seconds=1)
ARRIVING: Final[Mapping[str, int]] = {"send": 3, "hold_back": 0}  # of those that are committed; one is dead, one waits
TOPICS: Final = ("plugin.inbound.>", "plugin.outbound.>")
PREFIX: Final = "poller_plugin_"


@frozen(kw_only=True)
class Outcome:
    """What a deed came to, as one sees it from outside."""

    report: TickReport
    arrived: list[tuple[str, Any]]
    cursor: bytes | None
    history: list[tuple[str, str | None, int, int]]
    logged: list[tuple[str, int, str, Any]]


@frozen(kw_only=True)
class Outcomes:
    deeds: Mapping[str, Outcome]
    dead: list[tuple[str, Any, str]]
    waiting: list[tuple[str, Any, Any]]
    counted: Mapping[str, float]
    asked: list[dict[str, Any]]


def manifest(way: Way, folder: Path) -> PluginManifest:
    path = folder / "nexo-plugin.toml"
    path.write_text(MANIFEST)
    return PluginManifest(
        id="many-sided",
        version="1.0.0",
        name="Many-sided",
        command=sys.executable,
        args=(str(MANY_SIDED),),
        kinds=("many_sided",),
        broker_topic_prefix="plugin.poller.many_sided",
        lifecycle="ephemeral" if way == "ephemeral" else "long_lived",
        max_concurrent_ticks=8,
        publish=("plugin.inbound.*",),
        folder=folder,
        path=path,
    )


def job(do: str) -> JobSpec:
    return JobSpec(
        id=do.replace(" ", "_"),
        kind="many_sided",
        agent="ana",
        schedule=Every(timedelta(minutes=5)),
        config={"do": do, "url": "http://127.0.0.1:1/"},
        paused_on_boot=True,
        tick_timeout=SHORT if do == "sleep" else None,
    )


@asynccontextmanager
async def serving(
    way: Way, folder: Path, fake: LlmFake, deeds: Iterable[str], server: NatsServer | None
) -> AsyncIterator[tuple[PollerRunner, PrometheusMetrics, trio.MemoryReceiveChannel[Event]]]:
    """A runner with a job for each deed, and what arrives on its channels."""
    letterbox, letters = trio.open_memory_channel[Event](99)
    metrics = PrometheusMetrics()
    config = Config(
        jobs=tuple(map(job, deeds)),
        settings=Settings(state_db=folder / "poller.db"),
        agents={"ana": {"telegram": "ana_bot"}},
        providers={"fake": fake.settings("openai_compat")},
        secrets=frozenset({"hunter22"}),
        broker=server.settings if server else BrokerSettings(),
        plugins=() if way == "in process" else (manifest(way, folder),),
    )
    runner = PollerRunner(config, metrics=metrics)
    if way == "in process":
        runner.register(ManySided())
    for topics in TOPICS:
        runner.subscribe(topics, letterbox.send)
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        assert way_of(runner) == way
        yield runner, metrics, letters
        await runner.shutdown()


def way_of(runner: PollerRunner) -> Way:
    """How the runner really reaches the poller."""
    assert runner._parts is not None
    [*plugins] = runner._parts.plugins._open.values()
    match [plugin.transport for plugin in plugins]:
        case []:
            return "in process"
        case [None]:
            return "ephemeral"
        case [StdioTransport()]:
            return "stdio"
        case [NatsTransport()]:
            return "nats"
        case other:
            raise AssertionError(other)


async def outcomes(
    way: Way, folder: Path, deeds: Iterable[str], caplog: pytest.LogCaptureFixture, server: NatsServer | None = None
) -> Outcomes:
    """What becomes of the deeds, one after the other, each with the cursor that the first one left."""
    deeds = [*deeds]
    done: dict[str, Outcome] = {}
    with trio.fail_after(120):
        async with llm_fake() as fake, serving(way, folder, fake, deeds, server) as (runner, metrics, letters):
            for do in deeds:
                job_id = do.replace(" ", "_")
                await runner.set_cursor(job_id, b"\x00before\xff")
                caplog.clear()
                report = await runner.run_once(job_id)
                letters_due = ARRIVING.get(do, report.deliveries)
                arrived = [await letters.receive() for _ in range(letters_due)]
                done[do] = Outcome(
                    report=report,
                    arrived=sorted(((event.topic, event.payload) for event in arrived), key=json.dumps),
                    cursor=await runner.cursor(job_id),
                    history=[
                        (tick.status, tick.error, tick.items_seen, tick.items_dispatched)
                        for tick in await runner.history(job_id)
                    ],
                    logged=[*told(caplog.records)],
                )
            dead = [(one.message.topic, payload(one.message.body), one.error) for one in await runner.dead_letters()]
            waiting = [(one.message.topic, payload(one.message.body), one.not_before) for one in await runner.outbox()]
    return Outcomes(deeds=done, dead=dead, waiting=waiting, counted=counted(metrics), asked=fake.asked)


def payload(body: bytes) -> Any:
    return json.loads(body)["payload"]


def told(records: Iterable[logging.LogRecord]) -> Iterable[tuple[str, int, str, Any]]:
    """What pollers log, and what the audit log has of them; what a plugin prints is no matter of the poller's."""
    for record in records:
        fields = getattr(record, "fields", {})
        if record.name in ("nexo_poller.poller", "credentials.audit") and "plugin" not in fields:
            yield record.name, record.levelno, record.getMessage(), fields


def counted(metrics: PrometheusMetrics) -> Mapping[str, float]:
    """Every counter that is not about the store's own work; a plugin's have a name of their own."""
    return {
        f"{sample.name.removeprefix(PREFIX)} {sorted(sample.labels.items())}": sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and "store" not in sample.name
    }


async def compared(
    way: Way, folder: Path, deeds: Iterable[str], caplog: pytest.LogCaptureFixture, server: NatsServer | None
) -> Outcomes:
    """What becomes of the deeds, in that way, which is what becomes of them in the daemon's own process."""
    caplog.set_level(logging.DEBUG)
    for name in ("here", "there"):
        folder.joinpath(name).mkdir()
    here = await outcomes("in process", folder / "here", deeds, caplog)
    there = await outcomes(way, folder / "there", deeds, caplog, server)
    for do, outcome in here.deeds.items():
        assert there.deeds[do] == outcome, do
    assert there == here
    return here


@asynccontextmanager
async def nats_for(way: Way, folder: Path) -> AsyncIterator[NatsServer | None]:
    """A server whose streams keep what the daemon sends, if that is the way."""
    if way != "nats":
        yield None
        return
    server = NatsServer(folder)
    await server.start()
    try:
        await server.add_stream(*TOPICS)
        yield server
    finally:
        await server.kill()


@pytest.mark.parametrize("way", ["ephemeral", "stdio", "nats"])
async def test_a_poller_does_the_same_wherever_it_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: Way
) -> None:
    deeds = ALONE if way == "ephemeral" else {**ALONE, **CALLING_BACK}
    async with nats_for(way, tmp_path) as server:
        came = await compared(way, tmp_path, deeds, caplog, server)
    assert came.deeds["send"].cursor == b"\x00before\xff" + EVERY_BYTE
    assert len(came.deeds["send"].arrived) == 3
    assert [letter[2] for letter in came.dead] == ["nobody wants it"]
    assert len(came.waiting) == 1
    assert came.deeds["sleep"].report.error == "timed out after 1 s"
    assert {outcome.report.status for outcome in came.deeds.values()} == {"ok", "transient", "permanent"}
    if way != "ephemeral":
        assert len(came.deeds["publish"].arrived) == 4
        assert any(name.startswith("things_total") for name in came.counted)
        assert came.deeds["ask"].arrived[0][1]["text"] == "Hello."
        assert "bound channels: telegram" in str(came.deeds["miss_credentials"].report.error)
        assert [record[2] for record in came.deeds["log"].logged] == ["quietly", "a secret: ***", "loudly"]
