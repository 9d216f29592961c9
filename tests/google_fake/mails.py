"""Mails, and how Gmail shows them.

Shape: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages#Message
"""

import base64
import html
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import EmailMessage, Message
from typing import Any, Final

from attrs import frozen

SNIPPET_CHARACTERS: Final = 200


def mail(
    *, sender: str = "Leo <leo@example.org>", subject: str = "Lead", text: str = "Name: Leo", **more: str
) -> EmailMessage:
    """A mail in plain text; `more` are further headers, with `_` for `-`."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "ana@example.com", subject
    for name, value in more.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


@frozen
class Parsed:
    """A mail as Gmail has it in its `payload`."""

    raw: bytes
    message: Message

    @classmethod
    def of(cls, sent: EmailMessage | bytes) -> "Parsed":
        """Of a mail, or of the bytes of one, however broken."""
        raw = sent if isinstance(sent, bytes) else bytes(sent)
        return cls(raw, message_from_bytes(raw))

    @property
    def text(self) -> str:
        """All text of it, as a search looks through it."""
        return "\n".join(_text(part) for part in self.message.walk() if part.get_content_maintype() == "text")

    @property
    def snippet(self) -> str:
        """The beginning of the text, escaped as Gmail does."""
        plain = " ".join(re.sub("<[^>]*>", " ", self.text).split())[:SNIPPET_CHARACTERS]
        return html.escape(plain).replace("&#x27;", "&#39;")

    def header(self, name: str) -> str:
        """The value of a header, "" if there is none."""
        return str(self.message.get(name, ""))

    def payload(self) -> dict[str, Any]:
        """The tree of parts of `format=full`."""
        return _part(self.message, "")

    def headers(self, only: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
        """The headers of `format=metadata`; with `only`, those of these names in lower case."""
        return [header for header in _headers(self.message) if only is None or header["name"].lower() in only]


def encoded(data: bytes) -> str:
    """As the APIs have bytes in JSON: base64url, with padding."""
    return base64.urlsafe_b64encode(data).decode()


def _part(part: Message, part_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "partId": part_id,
        "mimeType": part.get_content_type(),
        "filename": part.get_filename() or "",
        "headers": list(_headers(part)),
    }
    if part.is_multipart():
        prefix = f"{part_id}." if part_id else ""
        parts = [_part(inner, f"{prefix}{n}") for n, inner in enumerate(_inner(part))]
        return {**shown, "body": {"size": 0}, "parts": parts}
    data = _bytes(part)
    if part.get_filename():
        return {**shown, "body": {"attachmentId": f"attachment-{part_id}", "size": len(data)}}
    return {**shown, "body": {"size": len(data), **({"data": encoded(data)} if data else {})}}


def _inner(part: Message) -> Iterator[Message]:
    for inner in part.get_payload():
        assert isinstance(inner, Message)
        yield inner


def _headers(part: Message) -> Iterator[dict[str, str]]:
    for name, value in part.raw_items():
        text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        yield {"name": name, "value": re.sub(r"\r?\n(?=[ \t])", "", text)}


def _bytes(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _text(part: Message) -> str:
    try:
        return _bytes(part).decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return _bytes(part).decode("latin-1")
