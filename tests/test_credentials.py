"""Who an agent is on a channel, and the audit lines about it."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from daemon import TO_ANA, daemon, job, nothing, text
from trio.testing import MockClock

from nexo_poller.broker.local import LocalBroker
from nexo_poller.config.model import Config, GoogleAccount
from nexo_poller.credentials import AuditedCredentials, ConfiguredCredentials
from nexo_poller.errors import ConfigError, CredentialsMissing, HostError, PermanentError
from nexo_poller.failures import leaves
from nexo_poller.masking import fingerprint
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.runner.runner import PollerRunner

ANAS = GoogleAccount(
    id="ana@gmail.example",
    agent_id="ana",
    client_id_path=Path("/run/secrets/id"),
    client_secret_path=Path("/run/secrets/secret"),
    token_path=Path("/var/lib/token.json"),
)
CONFIG = Config(
    agents={"ana": {"google": ANAS.id, "telegram": "ana_bot"}, "bob": {"google": ANAS.id}, "eve": {}},
    google_accounts=(ANAS,),
)
Fields = Mapping[str, Any]


def audited(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Fields]]:
    return [
        (record.levelname, record.__dict__["fields"]) for record in caplog.records if record.name == "credentials.audit"
    ]


async def test_an_account_is_its_id_and_for_google_the_paths_of_its_secrets() -> None:
    credentials = ConfiguredCredentials(CONFIG)
    assert await credentials.get("ana", "telegram") == {"account_id": "ana_bot"}
    assert await credentials.get("ana", "google") == {
        "account_id": "ana@gmail.example",
        "client_id_path": "/run/secrets/id",
        "client_secret_path": "/run/secrets/secret",
        "token_path": "/var/lib/token.json",
    }


@pytest.mark.parametrize(
    ("agent", "channel"), [("eve", "google"), ("ana", "sms"), ("zoe", "google"), ("bob", "google")]
)
async def test_an_agent_gets_no_account_but_its_own(agent: str, channel: str) -> None:
    with pytest.raises(CredentialsMissing, match=f"agent '{agent}' has no account for channel '{channel}'"):
        await ConfiguredCredentials(CONFIG).get(agent, channel)


def test_an_account_does_not_show_its_id() -> None:
    assert ANAS.id not in repr(ANAS)
    assert ANAS.id not in repr(ConfiguredCredentials(CONFIG))


async def test_every_use_and_every_refusal_leaves_an_audit_line(caplog: pytest.LogCaptureFixture) -> None:
    credentials = AuditedCredentials(ConfiguredCredentials(CONFIG))
    with caplog.at_level(logging.INFO, "credentials.audit"):
        await credentials.get("ana", "google")
        with pytest.raises(CredentialsMissing):
            await credentials.get("eve", "google")
    common = {"channel": "google", "topic": None, "direction": "credential"}
    assert audited(caplog) == [
        ("INFO", {"agent": "ana", "fp": fingerprint(ANAS.id), **common}),
        ("WARNING", {"agent": "eve", "fp": None, **common}),
    ]
    assert ANAS.id not in caplog.text


async def test_a_resolver_that_breaks_says_so_without_its_own_words(caplog: pytest.LogCaptureFixture) -> None:
    class Vault:
        async def get(self, agent_id: str, channel: str) -> Mapping[str, Any]:
            raise OSError("vault says: token hunter2hunter2")

    with pytest.raises(HostError, match="agent 'ana' on channel 'google' cannot be found: OSError") as caught:
        await AuditedCredentials(Vault()).get("ana", "google")
    assert "hunter2" not in str(caught.value)
    assert [level for level, _ in audited(caplog)] == ["WARNING"]


async def test_a_tick_gets_its_agents_account_from_the_resolver_that_an_embedder_gives(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Vault:
        async def get(self, agent_id: str, channel: str) -> Mapping[str, Any]:
            return {"account_id": f"{agent_id}@vault.example", "channel": channel}

    got: list[Mapping[str, Any]] = []

    async def look(ctx: PollContext[Any]) -> TickAck:
        got.append(await ctx.host.credentials_get("google"))
        return await nothing(ctx)

    with caplog.at_level(logging.INFO, "credentials.audit"):
        async with daemon(tmp_path, act=look, credentials=Vault()) as running:
            await trio.sleep(1)
            got.append(await running.runner.credentials.get("bob", "sms"))
    assert got == [
        {"account_id": "ana@vault.example", "channel": "google"},
        {"account_id": "bob@vault.example", "channel": "sms"},
    ]
    assert [fields["fp"] for _, fields in audited(caplog)] == [
        fingerprint("ana@vault.example"),
        fingerprint("bob@vault.example"),
    ]


async def test_a_delivery_that_finds_no_account_is_a_refusal(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def elsewhere(_: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(deliver=[evolve(text("hello"), channel="whatsapp")])

    async with daemon(tmp_path, act=elsewhere, agents={"ana": {"telegram": "ana_bot"}}):
        await trio.sleep(1)
    assert audited(caplog) == [
        (
            "WARNING",
            {
                "agent": "ana",
                "channel": "whatsapp",
                "fp": None,
                "topic": "plugin.outbound.whatsapp",
                "direction": "outbound",
                "job_id": "inbox",
            },
        )
    ]


async def test_alerts_and_published_events_of_a_channel_leave_an_audit_line_too(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def publish_then_fail(ctx: PollContext[Any]) -> TickAck:
        if ctx.cursor is None:
            await ctx.host.broker_publish("plugin.outbound.sms.anas_phone", b"{}")
            await ctx.host.broker_publish("something.else", b"{}")
            return TickAck(next_cursor=b"1")
        raise PermanentError("enough")

    failing = job(failure_to=TO_ANA)
    with caplog.at_level(logging.INFO, "credentials.audit"):
        async with daemon(tmp_path, failing, act=publish_then_fail, agents={"ana": {"telegram": "ana_bot"}}):
            await trio.sleep(90)
    assert [(level, fields["topic"], fields["fp"]) for level, fields in audited(caplog)] == [
        ("INFO", "plugin.outbound.sms", fingerprint("anas_phone")),
        ("INFO", "plugin.outbound.telegram", fingerprint("ana_bot")),
    ]


@pytest.fixture
def anas(tmp_path: Path) -> GoogleAccount:
    """Ana's account, with files that are sound."""
    for name in ("client", "token", "new-token"):
        tmp_path.joinpath(name).write_text("x")
        tmp_path.joinpath(name).chmod(0o600)
    client = tmp_path / "client"
    return evolve(ANAS, client_id_path=client, client_secret_path=client, token_path=tmp_path / "token")


BOTH = {"ana": {"google": ANAS.id, "telegram": "ana_bot"}, "bob": {"telegram": "bob_bot"}}


async def test_a_boot_is_refused_with_everything_that_is_wrong_with_its_accounts(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    with pytest.raises(ExceptionGroup) as refused:
        async with daemon(tmp_path, agents=BOTH, google_accounts=(ANAS,)):
            pass
    (error,) = leaves(refused.value)
    assert isinstance(error, ConfigError)
    assert [problem.what.split(" '")[0] for problem in error.problems] == ["there is no file"] * 3
    assert ANAS.id not in str(error)


async def test_an_embedder_that_brings_its_own_resolver_needs_no_accounts_in_the_configuration(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with daemon(
        tmp_path, agents=BOTH, google_accounts=(ANAS,), credentials=ConfiguredCredentials(CONFIG)
    ) as running:
        assert len(await running.runner.list_jobs()) == 1


async def test_a_reload_with_another_account_replaces_the_jobs_of_its_agent_which_find_it(
    tmp_path: Path, autojump_clock: MockClock, anas: GoogleAccount
) -> None:
    found: list[tuple[str, str]] = []

    async def look(ctx: PollContext[Any]) -> TickAck:
        if ctx.agent_id == "ana":
            found.append((ctx.job_id, Path((await ctx.host.credentials_get("google"))["token_path"]).name))
        return await nothing(ctx)

    jobs = (job("anas"), job("bobs", agent="bob"))
    async with daemon(tmp_path, *jobs, act=look, agents=BOTH, google_accounts=(anas,)) as running:
        await trio.sleep(1)
        wanted = Config(jobs=jobs, agents=BOTH, google_accounts=(evolve(anas, token_path=tmp_path / "new-token"),))
        planned = await running.runner.reload(wanted)
        await trio.sleep(120)
        assert (planned.replace, planned.keep) == (("anas",), ("bobs",))
        assert {token for _, token in found} == {"token", "new-token"}
        gone = evolve(wanted, google_accounts=(evolve(anas, token_path=tmp_path / "gone"),))
        with pytest.raises(ConfigError, match="nexo-poller google login"):
            await running.runner.reload(gone)
        assert running.runner.config == wanted


def test_credentials_are_there_while_the_runner_is_open() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        _ = PollerRunner(CONFIG, broker=LocalBroker()).credentials
