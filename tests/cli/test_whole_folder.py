"""A folder with everything in it: five jobs, an old file, accounts and providers where older programs have them."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

import trio
from command import NEXO_POLLER, Running, running
from google_fake import Account, GoogleFake, google_fake, mail
from llm_fake import LlmFake, llm_fake

ANA: Final = "ana@gmail.example"
SERVE: Final = (*NEXO_POLLER, "serve", "--no-admin", "--log-level", "debug")
TO_ANA: Final = {"channel": "telegram", "to": "42"}
SECOND: Final = {"every_secs": 1}


def gmail(job_id: str, subject: str) -> dict[str, Any]:
    config = {"query": f"is:unread subject:{subject}", "message_template": f"{job_id}: {{subject}}", "deliver": TO_ANA}
    return {"id": job_id, "kind": "gmail", "agent": "ana", "schedule": SECOND, "config": config}


JOBS: Final = (
    *(gmail(f"{subject}s", subject) for subject in ("Lead", "Invoice", "Order")),
    {
        "id": "agenda",
        "kind": "google_calendar",
        "agent": "ana",
        "schedule": SECOND,
        "config": {"deliver": TO_ANA, "message_template": "agenda: {summary}"},
    },
    {
        "id": "greeting",
        "kind": "agent_turn",
        "agent": "ana",
        "schedule": {"at": "2026-01-01T00:00:00Z"},
        "config": {"llm": {"provider": "fake", "model": "small"}, "user_prompt": "Greet Ana.", "deliver": TO_ANA},
    },
)


def written(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def write_folder(folder: Path, google: GoogleFake, ana: Account, llm: LlmFake) -> None:
    """`config/` with a file for each thing."""
    config, files = folder / "config", google.credentials(ana, folder)
    paths = {name: str(path) for name, path in files.items() if name != "account_id"}
    secrets = config / "llm.key"
    config.mkdir()
    secrets.touch(mode=0o600)
    secrets.write_text("sk-fake-key-of-the-provider")
    provider = {"api_key": "${file:llm.key}", "base_url": llm.base_url("openai_compat")}
    old = {
        "name": "old offers",
        "account": "old",
        "query": "is:unread subject:Offer",
        "forward_to_subject": "plugin.outbound.telegram.ana_bot",
        "forward_to": "42",
        "message_template": "old: {subject}",
        "interval_secs": 1,
    }
    written(config / "pollers.yaml", {"pollers": {"default_jitter_ms": 0, "jobs": JOBS}})
    written(
        config / "agents.d" / "ana.yaml",
        {"agents": [{"id": "ana", "model": "not ours", "credentials": {"telegram": "ana_bot", "google": ANA}}]},
    )
    written(
        config / "plugins" / "google-auth.yaml",
        {"google_auth": {"accounts": [{"id": ANA, "agent_id": "ana", **paths, "scopes": ["gmail.modify"]}]}},
    )
    written(config / "llm.yaml", {"providers": {"fake": provider}})
    written(
        config / "plugins" / "gmail-poller.yaml",
        {"gmail_poller": {"accounts": [{"id": "old", "agent_id": "ana", **paths}], "jobs": [old]}},
    )


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[tuple[GoogleFake, Account, dict[str, str]]]:
    """The folder, what it speaks of, and the environment in which Google is found."""
    async with google_fake() as google, llm_fake() as llm:
        ana = google.account(ANA)
        write_folder(folder, google, ana, llm)
        yield google, ana, {"NEXO_POLLER_GOOGLE_URL": google.origin}


async def texts(daemon: Running, number: int) -> list[str]:
    return [json.loads(await daemon.line())["payload"]["text"] for _ in range(number)]


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - a server tells nobody
        await trio.sleep(0.02)


async def test_all_of_it_is_checked_and_served_and_one_account_refreshes_its_token_once(tmp_path: Path) -> None:
    async with everything(tmp_path) as (google, ana, env):
        async with running((*NEXO_POLLER, "check"), cwd=tmp_path, env=env) as checked:
            assert await checked.process.wait() == 2, "there are only warnings"
            assert b"gmail_legacy_old_offers" in checked.stderr
        ids = [ana.mailbox.receive(mail(subject=subject)) for subject in ("Lead", "Invoice", "Order", "Offer", "Other")]
        async with running(SERVE, cwd=tmp_path, env=env) as daemon:
            found = await texts(daemon, 5)
            await until(lambda: not any(ana.mailbox.is_unread(mail_id) for mail_id in ids[:4]))
            await until(lambda: bool(google.calls_of("calendar.events.list")))
            ana.agenda.put("dentist", start=datetime(2026, 12, 1, 9, tzinfo=UTC), summary="Dentist")
            found += await texts(daemon, 1)
            assert await daemon.ended_by(SIGTERM) == 0
        assert sorted(found) == sorted(
            ["Leads: Lead", "Invoices: Invoice", "Orders: Order", "old: Offer", "Hello.", "agenda: Dentist"]
        )
        assert ana.mailbox.is_unread(ids[4])
        assert google.refreshes == 1


async def test_everything_that_is_wrong_with_accounts_is_told_at_once(tmp_path: Path) -> None:
    async with everything(tmp_path) as (_, _ana, env):
        agents = tmp_path / "config" / "agents.d" / "ana.yaml"
        agents.write_text(agents.read_text().replace(f'"google": "{ANA}"', '"google": "bob@gmail.example"'))
        (tmp_path / "ana-token.json").chmod(0o644)
        (tmp_path / "client_secret.txt").unlink()
        llm = tmp_path / "config" / "llm.yaml"
        llm.write_text(llm.read_text().replace('"fake"', '"other"'))
        async with running((*NEXO_POLLER, "check"), cwd=tmp_path, env=env) as checked:
            assert await checked.process.wait() == 1
        told = checked.stderr.decode()
        for what in ("which is not listed", "0644", "client_secret.txt", "the provider 'fake'"):
            assert what in told, told
