"""Jobs that ask language models: from the files, over real HTTP, to the channel."""

import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from attrs import define, field
from daemon import daemon as virtual_daemon
from daemon import job
from http_server import Request, Response
from job_files import write_config
from llm_fake import FLAVORS, answered, llm_fake
from parrot import Parrot
from scrape import scraped
from trio.testing import MockClock

from nexo_poller.broker import Event
from nexo_poller.cli.running import mask_of
from nexo_poller.config.model import ApiFlavor
from nexo_poller.config.reading import load_config
from nexo_poller.logs import configure_logging
from nexo_poller.runner.prometheus import PrometheusMetrics
from nexo_poller.runner.runner import PollerRunner

KEY: Final = "sk-canary/7Q+fx90"
TURN: Final[dict[str, Any]] = {
    "llm": {"provider": "fake", "model": "small"},
    "user_prompt": "What is new on {date}?",
    "deliver": {"channel": "inbox", "recipient": "ana"},
}
GREET: Final = {
    "id": "greet",
    "kind": "agent_turn",
    "agent": "ana",
    "paused_on_boot": True,
    "schedule": {"every_secs": 3600},
    "config": TURN,
}


@define(eq=False)
class Turns:
    """A serving runner with the job `greet`, which runs when a test says so."""

    runner: PollerRunner
    metrics: PrometheusMetrics
    _letterbox: trio.MemorySendChannel[str] = field(init=False)
    _letters: trio.MemoryReceiveChannel[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._letterbox, self._letters = trio.open_memory_channel(9)

    async def take(self, event: Event) -> None:
        await self._letterbox.send(event.payload["text"])

    async def text(self) -> str:
        """The message that a run sends."""
        report = await self.runner.run_once("greet")
        assert (report.error, report.deliveries) == (None, 1)
        return await self._letters.receive()

    async def error(self) -> str:
        """What a run that fails says."""
        error = (await self.runner.run_once("greet")).error
        assert error is not None
        return error


def write(folder: Path, base_url: str, flavor: ApiFlavor, **provider: Any) -> Path:
    """`pollers.yaml` and, beside it, `llm.yaml`."""
    write_config(folder, GREET, pollers={"state_db": str(folder / "poller.db")})
    fields = {"base_url": base_url, "api_key": KEY, "api_flavor": flavor, "retry": {"max_attempts": 1}, **provider}
    folder.joinpath("config", "llm.yaml").write_text(json.dumps({"providers": {"fake": fields}}))
    return folder / "config"


@asynccontextmanager
async def turns(config: Path) -> AsyncIterator[Turns]:
    """Serves the configuration during the block."""
    metrics = PrometheusMetrics()
    runner = PollerRunner.from_config(config, metrics=metrics)
    serving = Turns(runner, metrics)
    runner.subscribe("plugin.outbound.>", serving.take)
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        yield serving
        await runner.shutdown()


@pytest.mark.parametrize("flavor", FLAVORS)
async def test_the_answer_reaches_the_channel_and_its_cost_the_metrics(tmp_path: Path, flavor: ApiFlavor) -> None:
    async with llm_fake() as fake:
        fake.next_answers = ["Olá, Ana! ☀️"]
        async with turns(write(tmp_path, fake.base_url(flavor), flavor)) as serving:
            assert await serving.text() == "Olá, Ana! ☀️"
        assert fake.keys == [f"Bearer {KEY}"]
    tokens = {"provider": "fake", "model": "small"}
    registry = serving.metrics.registry
    assert registry.get_sample_value("poller_llm_tokens_total", {**tokens, "token": "input"}) == 7
    assert registry.get_sample_value("poller_llm_tokens_total", {**tokens, "token": "output"}) == 3


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Where a test may send its log; afterwards logging is as it was."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize("flavor", FLAVORS)
async def test_a_key_that_the_server_echoes_is_nowhere_to_be_read(
    tmp_path: Path, flavor: ApiFlavor, logs: io.StringIO
) -> None:
    def echo(request: Request) -> Response:
        key = request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
        return answered(401, {"error": {"message": f"{key} is no key"}}, X_Key=key)

    async with llm_fake() as fake:
        fake.next_answers = [echo]
        config = write(tmp_path, fake.base_url(flavor), flavor)
        loaded = load_config(config)
        assert loaded is not None
        configure_logging(mask_of(loaded), level="debug", stream=logs)
        async with turns(config) as serving:
            error = await serving.error()
            shown = (*map(repr, await serving.runner.list_jobs()), repr(await serving.runner.details("greet")))
    assert "401 Unauthorized: Bearer *** is no key" in error
    text = "".join((error, logs.getvalue(), scraped(serving.metrics.registry), *shown, repr(loaded)))
    assert "is no key" in logs.getvalue()
    loggers = {json.loads(line)["logger"].partition(".")[0] for line in logs.getvalue().splitlines()}
    assert loggers & {"anthropic", "httpcore2", "httpx2", "openai"} == set()
    assert KEY not in text
    assert KEY not in json.dumps(text)


async def test_a_reload_asks_the_provider_where_it_is_now(tmp_path: Path) -> None:
    async with llm_fake() as old, llm_fake() as new:
        old.next_answers, new.next_answers = ["Old."], ["New."]
        async with turns(write(tmp_path, old.base_url("openai_compat"), "openai_compat")) as serving:
            assert await serving.text() == "Old."
            write(tmp_path, new.base_url("openai_compat"), "openai_compat")
            assert (await serving.runner.reload(await serving.runner.reread())).replace == ("greet",)
            assert await serving.text() == "New."


async def test_a_job_whose_sdk_is_not_installed_is_rejected_and_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    async with turns(write(tmp_path, "http://localhost:1", "anthropic_messages")) as serving:
        (view,) = await serving.runner.list_jobs()
    (problem,) = view.problems
    assert problem.what == "the provider 'fake' is asked through the package anthropic, which is not installed"
    assert problem.remedy == 'pip install "nexo-poller[llm]"'
    assert "pollers.yaml:1:" in problem.where


async def test_an_embedders_provider_needs_no_entry_in_the_configuration(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    turn = job("greet", kind="agent_turn", config={**TURN, "llm": {"provider": "parrot", "model": "grey"}})
    async with virtual_daemon(tmp_path, turn, llm_providers={"parrot": Parrot()}) as running:
        await trio.sleep(1)
        assert running.texts() == ["What is new on 2026-01-01?"]


async def test_a_provider_that_neither_embedder_nor_configuration_has_rejects_the_job(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    turn = job("greet", kind="agent_turn", config={**TURN, "llm": {"provider": "owl", "model": "grey"}})
    async with virtual_daemon(tmp_path, turn, llm_providers={"parrot": Parrot()}) as running:
        (view,) = await running.runner.list_jobs()
    (problem,) = view.problems
    assert problem.what == "the provider 'owl' of language models is not listed"
    assert "there are parrot" in problem.remedy
