"""Gmail's tools as a shell and an MCP client call them, through the admin server of a daemon.

`tools(runner)` itself: tests/builtins/test_gmail_tools.py.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
import trio
from attrs import frozen
from command import NEXO_POLLER, environment, nexo_poller, running
from google_fake import Account, GoogleFake, google_fake, mail
from job_files import api_job, write_config
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import TextContent
from operating import SERVE, SOCKET, operated

from nexo_poller.builtins.gmail.tools import gmail_tools
from nexo_poller.google.accounts import GoogleAccounts

AGENTS: Final = ("ana", "bob")
DETAILS: Final = {"query": "in:inbox", "message_template": "{subject}", "deliver": {"channel": "telegram", "to": "42"}}


class Refused(Exception):
    """What the model is told instead of an answer."""


class Caller(Protocol):
    """Calls a tool for one agent. Raises `Refused`."""

    async def __call__(self, tool: str, arguments: Mapping[str, Any]) -> Any: ...


Way = Callable[[Path, str], AbstractAsyncContextManager[Caller]]


@frozen(kw_only=True)
class Mails:
    """The fake, and in it an account and one mail for each agent."""

    google: GoogleFake
    accounts: Mapping[str, Account]
    ids: Mapping[str, str]


@asynccontextmanager
async def by_command(folder: Path, agent: str) -> AsyncIterator[Caller]:
    async def call(tool: str, arguments: Mapping[str, Any]) -> Any:
        asked = [*NEXO_POLLER, "call", tool, json.dumps(arguments), "--agent", agent]
        done = await trio.run_process(
            asked, cwd=folder, env=environment(), capture_stdout=True, capture_stderr=True, check=False
        )
        if done.returncode == 1:
            raise Refused(done.stderr.decode())
        assert done.returncode == 0
        return json.loads(done.stdout)

    yield call


@asynccontextmanager
async def by_mcp(folder: Path, agent: str) -> AsyncIterator[Caller]:
    program, *rest = NEXO_POLLER
    server = StdioServerParameters(
        command=program, args=[*rest, "mcp", "--agent", agent], env=environment(), cwd=folder
    )
    async with Client(stdio_client(server)) as client:

        async def call(tool: str, arguments: Mapping[str, Any]) -> Any:
            result = await client.call_tool(tool, dict(arguments))
            if result.is_error:
                (content,) = result.content
                assert isinstance(content, TextContent)
                raise Refused(content.text)
            return result.structured_content

        yield call


def job(agent: str) -> dict[str, Any]:
    """The paused job `<agent>s-mail`."""
    every = {"every_secs": 3600}
    own = {"id": f"{agent}s-mail", "kind": "gmail", "agent": agent, "schedule": every, "paused_on_boot": True}
    return {**own, "config": DETAILS}


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Mails]:
    """A daemon in `folder`, whose agents ana and bob have an account each, and eve none."""
    async with google_fake() as google:
        accounts = {agent: google.account(f"{agent}@gmail.example") for agent in AGENTS}
        accounts["ana"].mailbox.receive(mail(), labels=frozenset({"SENT"}))  # so that no id is in both mailboxes
        ids = {agent: accounts[agent].mailbox.receive(mail(subject=f"for {agent}")) for agent in AGENTS}
        entries = []
        for agent, account in accounts.items():
            paths = {name: str(path) for name, path in google.credentials(account, folder).items()}
            paths.pop("account_id")
            entries.append({"id": account.email, "agent_id": agent, **paths, "scopes": ["gmail.modify"]})
        bindings = [
            {"id": agent, "credentials": {"google": account.email, "telegram": f"{agent}_bot"}}
            for agent, account in accounts.items()
        ]
        write_config(
            folder,
            *map(job, AGENTS),
            admin=SOCKET,
            agents=[*bindings, {"id": "eve", "credentials": {}}],
            google_auth={"accounts": entries},
        )
        async with running(SERVE, cwd=folder, env={"NEXO_POLLER_GOOGLE_URL": google.origin}) as daemon:
            await daemon.said("serving ")
            yield Mails(google=google, accounts=accounts, ids=ids)


@pytest.mark.parametrize("way", [by_command, by_mcp])
async def test_an_agent_reaches_its_own_mail_with_every_tool(tmp_path: Path, way: Way) -> None:
    async with served(tmp_path) as there, way(tmp_path, "ana") as ana:
        mail_id, box = there.ids["ana"], there.accounts["ana"].mailbox
        answered = {
            "gmail_count_unread": await ana("gmail_count_unread", {"id": "anas-mail"}),
            "gmail_search": await ana("gmail_search", {"query": "in:inbox"}),
            "gmail_message_get": await ana("gmail_message_get", {"id": mail_id}),
            "gmail_labels_list": await ana("gmail_labels_list", {}),
            "gmail_mark_read": await ana("gmail_mark_read", {"id": mail_id}),
        }
        assert not box.is_unread(mail_id)
        answered["gmail_mark_unread"] = await ana("gmail_mark_unread", {"id": mail_id})
        assert box.is_unread(mail_id)
        assert answered.keys() == {tool.name for tool in gmail_tools(GoogleAccounts())}
        assert answered["gmail_count_unread"] == {"matching": 1, "would_dispatch": 1}
        assert [found["subject"] for found in answered["gmail_search"]["mails"]] == ["for ana"]
        assert answered["gmail_message_get"]["subject"] == "for ana"
        assert {"id": "INBOX", "name": "INBOX"} in answered["gmail_labels_list"]["labels"]
        assert answered["gmail_mark_read"] == answered["gmail_mark_unread"] == {"ok": True}
        assert {one.email for one in there.google.calls if one.method != "token"} == {there.accounts["ana"].email}


@pytest.mark.parametrize("way", [by_command, by_mcp])
async def test_an_agent_reaches_nobody_elses_mail_with_any_tool(tmp_path: Path, way: Way) -> None:
    async with served(tmp_path) as there, way(tmp_path, "bob") as bob, way(tmp_path, "eve") as eve:
        mail_id = there.ids["ana"]
        for tool in ("gmail_message_get", "gmail_mark_read", "gmail_mark_unread"):
            with pytest.raises(Refused, match="answered 404"):
                await bob(tool, {"id": mail_id})
        with pytest.raises(Refused, match="anas-mail"):
            await bob("gmail_count_unread", {"id": "anas-mail"})
        with pytest.raises(Refused, match="agent_id"):
            await bob("gmail_search", {"query": "in:inbox", "agent_id": "ana"})
        with pytest.raises(Refused, match="agent_id"):
            await bob("gmail_labels_list", {"agent_id": "ana"})
        with pytest.raises(Refused, match="has no account for channel 'google'"):
            await eve("gmail_labels_list", {})
        found = await bob("gmail_search", {"query": "in:inbox"})
        assert [told["subject"] for told in found["mails"]] == ["for bob"]
        assert there.accounts["ana"].mailbox.changes == []
        assert {one.email for one in there.google.calls if one.method != "token"} == {there.accounts["bob"].email}


@pytest.mark.parametrize("text", ["[]", "null", "{", "id=orders", "[" * 100_000])
def test_arguments_that_are_no_json_object_are_a_wrong_use(tmp_path: Path, text: str) -> None:
    done = nexo_poller("call", "pollers_list", text, "--agent", "ana", cwd=tmp_path, status=2)
    assert "it is no" in done.stderr


async def test_a_tool_that_is_not_there_leads_nowhere_else(tmp_path: Path) -> None:
    async with operated(tmp_path, {**api_job("http://127.0.0.1:9/"), "paused_on_boot": True}) as daemon:
        for name in ("pollers_delete", "../pollers/orders/resume", "pollers_list?"):
            assert "there is no" in (await daemon.command("call", name, "--agent", "ana", status=1)).stderr
        assert (await daemon.json("show", "orders"))["paused"]
