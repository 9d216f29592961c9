"""Gmail v1 of one account."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from itertools import count
from typing import Any, Final

from attrs import Factory, define, field, frozen

from google_fake.faults import Refusal
from google_fake.mails import Parsed, encoded
from google_fake.search import matches

SYSTEM_LABELS: Final = ("INBOX", "UNREAD", "STARRED", "IMPORTANT", "SENT", "DRAFT", "SPAM", "TRASH")
MOST_RESULTS: Final = 500
MOST_OF_A_BATCH: Final = 1000
HIDDEN: Final = {"SPAM", "TRASH"}
NEW: Final = frozenset({"INBOX", "UNREAD"})
Query = Mapping[str, Sequence[str]]


@define(eq=False, kw_only=True)
class Stored:
    """A mail in the mailbox."""

    id: str
    mail: Parsed
    at: datetime
    labels: set[str]

    @property
    def text(self) -> str:
        return self.mail.text

    @property
    def has_attachment(self) -> bool:
        return any(part.get_filename() for part in self.mail.message.walk())

    def header(self, name: str) -> str:
        return self.mail.header(name)

    def shown(self, form: str, only: Query) -> dict[str, Any]:
        """The resource `Message`."""
        brief = {
            "id": self.id,
            "threadId": self.id,
            "labelIds": sorted(self.labels),
            "snippet": self.mail.snippet,
            "historyId": str(int(self.id, 16)),
            "internalDate": str(int(self.at.timestamp() * 1000)),
            "sizeEstimate": len(self.mail.raw),
        }
        match form:
            case "full":
                return {**brief, "payload": self.mail.payload()}
            case "raw":
                return {**brief, "raw": encoded(self.mail.raw)}
            case "metadata":
                names = {name.lower(): name for name in only.get("metadataHeaders", ())} or None
                payload = {"mimeType": self.mail.message.get_content_type(), "headers": self.mail.headers(names)}
                return {**brief, "payload": payload}
            case _:
                return brief


@frozen
class Change:
    """One message that a client has put labels on, or taken labels off."""

    id: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@define(eq=False)
class Mailbox:
    """The mails of one account. `page_size` keeps pages shorter than asked for, as Gmail may. `changes`: by clients."""

    email: str
    now: Callable[[], datetime]
    page_size: int = MOST_RESULTS
    labels: dict[str, str] = Factory(dict)
    messages: dict[str, Stored] = Factory(dict)
    changes: list[Change] = Factory(list)
    _numbers: Iterator[int] = field(factory=lambda: count(0x18C0_0000_0000_0001))

    def receive(self, sent: EmailMessage | bytes, *, labels: frozenset[str] = NEW, at: datetime | None = None) -> str:
        """A mail comes in, now unless `at` says when; returns its id."""
        message_id = f"{next(self._numbers):x}"
        stored = Stored(id=message_id, mail=Parsed.of(sent), at=at or self.now(), labels=set(labels))
        self.messages[message_id] = stored
        return message_id

    def is_unread(self, message_id: str) -> bool:
        return "UNREAD" in self.messages[message_id].labels

    def list_messages(self, query: Query) -> dict[str, Any]:
        """users.messages.list: the newest first."""
        wanted, needed = _one(query, "q"), {*query.get("labelIds", ())}
        hidden = set() if _one(query, "includeSpamTrash") == "true" else HIDDEN
        found = [
            message
            for message in sorted(self.messages.values(), key=lambda message: (message.at, message.id), reverse=True)
            if needed <= message.labels and not hidden & message.labels and matches(wanted, message, self.now())
        ]
        token = _one(query, "pageToken")
        if token:
            last = self.messages.get(token.removeprefix("after-"))
            if last is None or not token.startswith("after-"):
                raise Refusal(status=400, reason="invalidArgument", message="Invalid pageToken")
            found = [message for message in found if (message.at, message.id) < (last.at, last.id)]
        size = min(int(_one(query, "maxResults") or "100"), MOST_RESULTS, self.page_size)
        page = found[:size]
        return {
            **({"messages": [{"id": message.id, "threadId": message.id} for message in page]} if page else {}),
            **({"nextPageToken": f"after-{page[-1].id}"} if len(found) > size else {}),
            "resultSizeEstimate": len(found),
        }

    def get(self, message_id: str, query: Query) -> dict[str, Any]:
        """users.messages.get."""
        return self._message(message_id).shown(_one(query, "format") or "full", query)

    def modify(self, message_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """users.messages.modify."""
        message = self._message(message_id)
        added, removed = tuple(body.get("addLabelIds", ())), tuple(body.get("removeLabelIds", ()))
        for label in (*added, *removed):
            if label not in {*SYSTEM_LABELS, *self.labels}:
                raise Refusal(status=400, reason="invalidArgument", message=f"Invalid label: {label}")
        message.labels = (message.labels | {*added}) - {*removed}
        self.changes.append(Change(message_id, added, removed))
        return {"id": message.id, "threadId": message.id, "labelIds": sorted(message.labels)}

    def batch_modify(self, body: Mapping[str, Any]) -> None:
        """users.messages.batchModify."""
        ids = body.get("ids", ())
        if not 0 < len(ids) <= MOST_OF_A_BATCH:
            raise Refusal(status=400, reason="invalidArgument", message="Invalid number of ids")
        for message_id in ids:
            if message_id in self.messages:  # it says nothing of those that are gone
                self.modify(message_id, body)

    def list_labels(self) -> dict[str, Any]:
        """users.labels.list."""
        system = [{"id": label, "name": label, "type": "system"} for label in SYSTEM_LABELS]
        return {"labels": [*system, *({"id": i, "name": n, "type": "user"} for i, n in self.labels.items())]}

    def get_label(self, label: str) -> dict[str, Any]:
        """users.labels.get."""
        every = {listed["id"]: listed for listed in self.list_labels()["labels"]}
        if label not in every:
            raise Refusal(status=404, reason="notFound", message="Requested entity was not found.")
        held = [message for message in self.messages.values() if label in message.labels]
        unread = sum("UNREAD" in message.labels for message in held)
        totals = {"messagesTotal": len(held), "messagesUnread": unread, "threadsTotal": len(held)}
        return {**every[label], **totals, "threadsUnread": unread}

    def profile(self) -> dict[str, Any]:
        """users.getProfile."""
        total = len(self.messages)
        return {"emailAddress": self.email, "messagesTotal": total, "threadsTotal": total, "historyId": "1"}

    def _message(self, message_id: str) -> Stored:
        if message_id not in self.messages:
            raise Refusal(status=404, reason="notFound", message="Requested entity was not found.")
        return self.messages[message_id]


def _one(query: Query, name: str) -> str:
    return query[name][0] if name in query else ""
