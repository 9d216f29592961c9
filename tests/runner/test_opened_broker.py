"""The broker that the configuration names, as a runner opens it."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from nats_server import nats_server

from nexo_poller.config.model import BrokerSettings, Config, JobSpec, Settings
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.errors import ConfigError
from nexo_poller.masking import fingerprint
from nexo_poller.runner.opened_broker import topics_of
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.schedule import Every

JOB = JobSpec(id="inbox", kind="none", agent="ana", schedule=Every(timedelta(hours=1)))
AGENTS = {"ana": {"telegram": "ana_bot", "google": "ana@example.org"}, "bob": {"telegram": "bob_bot"}}


def test_what_jobs_and_plugins_can_send_to_is_known_before_they_do(tmp_path: Path) -> None:
    manifest = PluginManifest(
        id="acme",
        version="1",
        name="Acme",
        command=None,
        kinds=("act",),
        broker_topic_prefix="plugin.poller.acme",
        publish=("acme.>",),
        folder=tmp_path,
        path=tmp_path / "nexo-plugin.toml",
    )
    config = Config(jobs=(JOB,), agents=AGENTS, plugins=(manifest,))
    assert [*topics_of(config)] == ["plugin.outbound.telegram.ana_bot", "acme.>"]


async def test_a_topic_without_a_stream_is_warned_of_at_boot_without_the_account(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with nats_server(tmp_path) as server:
        settings = Settings(state_db=tmp_path / "poller.db")
        agents = {"ana": {"telegram": "ana_bot"}}
        config = Config(jobs=(JOB,), agents=agents, broker=server.settings, settings=settings)
        async with trio.open_nursery() as nursery:
            runner = PollerRunner(config)
            with trio.fail_after(30):
                await nursery.start(runner.serve)
                while "is delivered at most once" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                    await trio.sleep(0.01)
            await runner.shutdown()
    assert f"no stream of JetStream covers 'plugin.outbound.telegram.{fingerprint('ana_bot')}'" in caplog.text
    assert "ana_bot" not in caplog.text


async def test_a_key_that_is_none_refuses_the_boot_in_its_own_words(tmp_path: Path) -> None:
    config = Config(
        broker=BrokerSettings(type="nats", nkey_file=tmp_path / "daemon.nk"),
        settings=Settings(state_db=tmp_path / "poller.db"),
    )
    with pytest.raises(ConfigError, match=r"daemon\.nk"):
        await PollerRunner(config).serve()


async def test_a_runner_with_nats_has_its_broker_while_it_is_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = Config(
        broker=BrokerSettings(type="nats", url="nats://127.0.0.1:1"), settings=Settings(state_db=tmp_path / "p.db")
    )
    runner = PollerRunner(config)
    with pytest.raises(RuntimeError, match="not open"):
        assert runner.broker is not None
    async with runner.opened():
        assert runner.broker is not None
