"""What a language model can do with its agent's own mail."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from nexo_poller.builtins.gmail.api import UNREAD, Gmail
from nexo_poller.builtins.gmail.config import GmailConfig
from nexo_poller.builtins.gmail.cursor import KIND
from nexo_poller.builtins.gmail.mail import mail_from
from nexo_poller.config.structuring import structure
from nexo_poller.errors import JobRefused, JobUnknown
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.tool import AGENT_ID, Tool

MOST_RESULTS: Final = 50
LONGEST_TEXT_BYTES: Final = 4096
TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 2000}
NO_PATH: Final = {"pattern": "^[0-9A-Za-z_-]+$"}  # which `..` would be
MAIL_ID: Final = {"id": {**TEXT, **NO_PATH, "description": "The id of a mail, as gmail_search tells it."}}
JOB_ID: Final = {"id": {**TEXT, "description": "The id of a job of kind gmail."}}
SEARCH: Final = {
    "query": {**TEXT, "description": "As in Gmail's search box: `from:ana is:unread newer_than:2d`."},
    "max_results": {"type": "integer", "minimum": 1, "maximum": MOST_RESULTS, "default": 10},
}
Arguments = Mapping[str, Any]
Act = Callable[[Any, Gmail, Arguments], Awaitable[Mapping[str, Any]]]


@frozen
class OwnMailbox:
    """A tool's handler: acts on the mailbox of whichever agent calls, and on no other."""

    _google: GoogleAccounts
    _act: Act

    async def __call__(self, runner: Any, arguments: Arguments) -> Mapping[str, Any]:
        """See `Tool`."""
        credentials = await runner.credentials.get(arguments[AGENT_ID], "google")
        http = runner.http.client(
            allow_private_networks=GmailConfig.allow_private_networks, max_body_bytes=GmailConfig.max_body_bytes
        )
        return await self._act(runner, Gmail(self._google.client(credentials, http)), arguments)


def gmail_tools(google: GoogleAccounts) -> Sequence[Tool]:
    """All of them, on the accounts of `google`."""
    tools: Sequence[tuple[str, str, Mapping[str, Any], Act]] = (
        (
            "gmail_count_unread",
            "Count the mails that a job's search matches, and those its next tick would send messages about.",
            JOB_ID,
            _count,
        ),
        ("gmail_search", "Search the agent's own mail, the newest first.", SEARCH, _search),
        ("gmail_message_get", "Read one mail: its headers and the first 4 KB of its text.", MAIL_ID, _read),
        ("gmail_mark_read", "Mark one mail as read.", MAIL_ID, _mark_read),
        ("gmail_mark_unread", "Mark one mail as unread.", MAIL_ID, _mark_unread),
        ("gmail_labels_list", "List the labels of the agent's own mail.", {}, _labels),
    )
    return [
        Tool(name=name, description=description, parameters=_object(properties), handler=OwnMailbox(google, act))
        for name, description, properties, act in tools
    ]


async def _count(runner: Any, gmail: Gmail, arguments: Arguments) -> Mapping[str, Any]:
    job_id = arguments["id"]
    job = runner.spec(job_id)
    if (job.kind, job.agent) != (KIND, arguments[AGENT_ID]):
        raise JobUnknown(job_id)  # the jobs of others are no business of this one
    matching = await gmail.search(structure(job.config, GmailConfig).search)
    tried = await runner.dry_run(job_id)
    if tried.error is not None:
        raise JobRefused(job_id, tried.error)
    return {"matching": len(matching), "would_dispatch": tried.items_dispatched}


async def _search(_: Any, gmail: Gmail, arguments: Arguments) -> Mapping[str, Any]:
    ids = await gmail.search(arguments["query"], arguments.get("max_results", SEARCH["max_results"]["default"]))
    return {"mails": [_told(await gmail.summary(mail_id)) for mail_id in ids]}


async def _read(_: Any, gmail: Gmail, arguments: Arguments) -> Mapping[str, Any]:
    message = await gmail.message(arguments["id"])
    text = mail_from(message).text.encode()
    beginning = text[:LONGEST_TEXT_BYTES].decode(errors="ignore")
    return {**_told(message), "text": beginning, "is_cut": len(text) > LONGEST_TEXT_BYTES}


async def _mark_read(_: Any, gmail: Gmail, arguments: Arguments) -> Mapping[str, Any]:
    await gmail.mark_read(arguments["id"])
    return {"ok": True}


async def _mark_unread(_: Any, gmail: Gmail, arguments: Arguments) -> Mapping[str, Any]:
    await gmail.mark_unread(arguments["id"])
    return {"ok": True}


async def _labels(_: Any, gmail: Gmail, __: Arguments) -> Mapping[str, Any]:
    return {"labels": [{"id": label.get("id"), "name": label.get("name")} for label in await gmail.labels()]}


def _told(message: Mapping[str, Any]) -> Mapping[str, Any]:
    mail = mail_from(message)
    told = {"id": mail.id, "from": mail.sender, "subject": mail.subject, "date": mail.date, "snippet": mail.snippet}
    return {**told, "unread": UNREAD in message.get("labelIds", ())}


def _object(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    required = [name for name, schema in properties.items() if "default" not in schema]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
