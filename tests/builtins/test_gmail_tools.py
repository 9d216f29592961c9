"""The tools of kind `gmail`, as a language model's host calls them on a serving runner."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve
from google_fake import Account, Fault, GoogleFake, google_fake, mail
from ticking import DELIVER, NO_AUTHORITIES, NOON

from nexo_poller import Config, Every, JobSpec, LocalBroker, PollerRunner, SqliteStore, ToolError
from nexo_poller.builtins.gmail.poller import GmailPoller
from nexo_poller.builtins.gmail.tools import LONGEST_TEXT_BYTES, MOST_RESULTS, gmail_tools
from nexo_poller.config.model import GoogleAccount
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.http.pools import HttpPools
from nexo_poller.masking import fingerprint
from nexo_poller.tools import tools

GET = "gmail.users.messages.get"
ANA, BOB = "ana@example.com", "bob@example.com"


@define(eq=False, kw_only=True)
class Served:
    """A serving runner, and the Google that the accounts of its agents are at."""

    runner: PollerRunner
    google: GoogleFake
    ana: Account
    bob: Account

    async def call(self, name: str, agent_id: str = "ana", **arguments: Any) -> dict[str, Any]:
        """What a tool of gmail answers an agent."""
        return await tools(self.runner).call(f"gmail_{name}", arguments, agent_id=agent_id)

    async def refusal(self, name: str, agent_id: str = "ana", **arguments: Any) -> str:
        """Why it does not."""
        with pytest.raises(ToolError) as caught:
            await self.call(name, agent_id, **arguments)
        return str(caught.value)


def job(agent: str = "ana", **config: Any) -> JobSpec:
    """The paused job `<agent>s-leads`."""
    own = {"query": "subject:lead", "message_template": "{subject}", "deliver": DELIVER}
    every = Every(timedelta(hours=1), jitter=timedelta())
    return JobSpec(
        id=f"{agent}s-leads",
        kind="gmail",
        agent=agent,
        schedule=every,
        config={**own, **config},
        paused_on_boot=True,
    )


@asynccontextmanager
async def served(folder: Path, *jobs: JobSpec, secrets: frozenset[str] = frozenset()) -> AsyncIterator[Served]:
    """The agents ana and bob have an account each, eve has none."""
    async with google_fake() as google, HttpPools.open(ssl_context=NO_AUTHORITIES) as http:
        accounts = {"ana": google.account(ANA), "bob": google.account(BOB)}
        config = Config(
            jobs=jobs,
            agents={
                "eve": {},
                **{name: {"google": account.email, "telegram": f"{name}_bot"} for name, account in accounts.items()},
            },
            google_accounts=tuple(
                google_account(name, google.credentials(account, folder)) for name, account in accounts.items()
            ),
            secrets=secrets,
        )
        runner = PollerRunner(config, store=SqliteStore(folder / "poller.db"), broker=LocalBroker(), http=http)
        runner.register(GmailPoller(GoogleAccounts(google.endpoints)))
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            yield Served(runner=runner, google=google, **accounts)
            await runner.shutdown()


def google_account(agent: str, credentials: Mapping[str, Any]) -> GoogleAccount:
    files = {key: credentials[key] for key in ("client_id_path", "client_secret_path", "token_path")}
    return GoogleAccount(id=credentials["account_id"], agent_id=agent, scopes=("gmail.modify",), **files)


async def test_a_search_tells_the_newest_first_with_what_a_reader_would_want_to_know(tmp_path: Path) -> None:
    async with served(tmp_path) as there:
        ids = [
            there.ana.mailbox.receive(
                mail(subject=f"Lead {n}", text="Tom & Jerry", Date="Sun, 1 Mar 2026 12:00:00 +0000"),
                at=NOON + timedelta(minutes=n),
            )
            for n in range(3)
        ]
        found = (await there.call("search", query="subject:lead", max_results=2))["mails"]
        assert [told["subject"] for told in found] == ["Lead 2", "Lead 1"]
        assert found[0] == {
            "id": ids[-1],
            "from": "Leo <leo@example.org>",
            "subject": "Lead 2",
            "date": "Sun, 01 Mar 2026 12:00:00 +0000",
            "snippet": "Tom & Jerry",
            "unread": True,
        }
        assert [call.parameters["format"] for call in there.google.calls_of(GET)] == [["metadata"]] * 2


async def test_a_search_tells_ten_unless_it_is_asked_for_more_and_never_over_fifty(tmp_path: Path) -> None:
    async with served(tmp_path) as there:
        for n in range(12):
            there.ana.mailbox.receive(mail(subject=str(n)))
        assert len((await there.call("search", query="in:inbox"))["mails"]) == 10
        assert len((await there.call("search", query="in:inbox", max_results=MOST_RESULTS))["mails"]) == 12
        assert "51 is greater than the maximum of 50" in await there.refusal("search", query="x", max_results=51)


@pytest.mark.parametrize("letter", ["x", "ä", "語"])
async def test_of_a_mail_the_first_four_kilobytes_are_told(tmp_path: Path, letter: str) -> None:
    async with served(tmp_path) as there:
        short = there.ana.mailbox.receive(mail(text=letter))
        long = there.ana.mailbox.receive(mail(text=letter * 5000))
        told = await there.call("message_get", id=short)
        assert (told["id"], told["text"], told["is_cut"]) == (short, letter, False)
        told = await there.call("message_get", id=long)
        assert told["is_cut"]
        assert told["text"] == letter * (LONGEST_TEXT_BYTES // len(letter.encode()))


async def test_mails_are_marked_one_by_one(tmp_path: Path) -> None:
    async with served(tmp_path) as there:
        box = there.ana.mailbox
        mail_id, other = box.receive(mail()), box.receive(mail())
        assert await there.call("mark_read", id=mail_id) == {"ok": True}
        assert (box.is_unread(mail_id), box.is_unread(other)) == (False, True)
        assert not (await there.call("message_get", id=mail_id))["unread"]
        assert await there.call("mark_unread", id=mail_id) == {"ok": True}
        assert box.is_unread(mail_id)


async def test_labels_are_told_those_of_the_system_too(tmp_path: Path) -> None:
    async with served(tmp_path) as there:
        there.ana.mailbox.labels["Label_1"] = "Leads"
        labels = (await there.call("labels_list"))["labels"]
        assert {"id": "INBOX", "name": "INBOX"} in labels
        assert labels[-1] == {"id": "Label_1", "name": "Leads"}


async def test_a_job_counts_what_matches_and_what_its_next_tick_would_send_and_changes_nothing(tmp_path: Path) -> None:
    sifting = job(newer_than="1d", max_per_tick=3, sender_allowlist=["leo@example.org"])
    async with served(tmp_path, sifting) as there:
        box = there.ana.mailbox
        box.receive(mail(subject="lead of old"), at=box.now() - timedelta(days=3))
        told = box.receive(mail(subject="lead 0"), at=box.now() - timedelta(hours=2))
        assert await there.call("count_unread", id="anas-leads") == {"matching": 1, "would_dispatch": 1}
        await there.runner.run_once("anas-leads")
        for n, sender in enumerate(("leo@example.org", "spam@example.org", "leo@example.org", "leo@example.org")):
            box.receive(mail(subject=f"lead {n}", sender=sender), at=box.now() - timedelta(minutes=30 - n))
        for _ in range(2):
            assert await there.call("count_unread", id="anas-leads") == {"matching": 5, "would_dispatch": 2}
        assert box.is_unread(told)
        assert len(await there.runner.outbox()) == 1


async def test_a_job_is_counted_by_its_real_query_even_if_that_is_a_secret_and_after_a_reload(tmp_path: Path) -> None:
    async with served(tmp_path, job(query="subject:hushhush"), secrets=frozenset({"hushhush"})) as there:
        there.ana.mailbox.receive(mail(subject="hushhush"))
        there.ana.mailbox.receive(mail(subject="other"))
        assert (await there.call("count_unread", id="anas-leads"))["matching"] == 1
        config = there.runner.config
        assert config is not None
        await there.runner.reload(evolve(config, jobs=(job(query="in:inbox"),)))
        assert (await there.call("count_unread", id="anas-leads"))["matching"] == 2


async def test_every_agent_has_its_own_mail_and_nobody_elses(tmp_path: Path) -> None:
    async with served(tmp_path, job(), job("bob")) as there:
        of_bob = there.bob.mailbox.receive(mail(subject="for Bob"))
        assert (await there.call("search", query="in:inbox"))["mails"] == []
        assert len((await there.call("search", "bob", query="in:inbox"))["mails"]) == 1
        for name in ("message_get", "mark_read", "mark_unread"):
            assert "answered 404" in await there.refusal(name, id=of_bob)
        assert there.bob.mailbox.is_unread(of_bob)
        assert "bobs-leads" in await there.refusal("count_unread", id="bobs-leads")
        assert await there.call("count_unread", "bob", id="bobs-leads") == {"matching": 0, "would_dispatch": 0}
        assert {call.email for call in there.google.calls if call.method != "token"} == {ANA, BOB}


async def test_nobody_becomes_another_by_saying_so(tmp_path: Path) -> None:
    async with served(tmp_path, job()) as there:
        for tool in gmail_tools(GoogleAccounts()):
            arguments = dict.fromkeys(tool.parameters["required"], "x")
            with pytest.raises(ToolError, match="'agent_id' was unexpected"):
                await tools(there.runner).call(tool.name, {**arguments, "agent_id": "bob"}, agent_id="ana")
        assert there.google.calls == []


async def test_an_agent_without_an_account_gets_nothing_and_every_use_is_audited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as there:
        with caplog.at_level(logging.INFO, "credentials.audit"):
            assert "agent 'eve' has no account for channel 'google'" in await there.refusal("labels_list", "eve")
            await there.call("labels_list")
        audited = [record for record in caplog.records if record.name == "credentials.audit"]
        assert [(record.levelname, vars(record)["fields"]["fp"]) for record in audited] == [
            ("WARNING", None),
            ("INFO", fingerprint(ANA)),
        ]
        assert ANA not in caplog.text


async def test_what_google_echoes_is_not_told_to_the_model(tmp_path: Path) -> None:
    async with served(tmp_path) as there:
        mail_id = there.ana.mailbox.receive(mail())
        await there.call("labels_list")
        there.google.echoes = True
        there.google.faults.append(Fault(method=GET, status=400, reason="badRequest"))
        refusal = await there.refusal("message_get", id=mail_id)
        assert "answered 400" in refusal
        assert not any(secret in refusal for secret in there.google.secrets)


@pytest.mark.parametrize("mail_id", ["../labels", "a/b", "?x=1", "..", "%2e%2e"])
async def test_an_id_leads_nowhere_else(tmp_path: Path, mail_id: str) -> None:
    async with served(tmp_path) as there:
        for name in ("message_get", "mark_read", "mark_unread"):
            assert "does not match" in await there.refusal(name, id=mail_id)
        assert there.google.calls == []
