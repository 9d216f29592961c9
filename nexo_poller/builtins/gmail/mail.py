"""A mail as Gmail's API gives it with `format=full`, and what the kind `gmail` wants of it. Pure.

The format: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages#Message. Everything in
it was written by strangers: a field that is missing, broken or of another type is treated as empty.
"""

import html
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any, Final

from attrs import frozen

from nexo_poller.builtins.html import text_of_html

LONGEST_TEXT: Final = 100_000  # characters that are looked at
LONGEST_HEADER: Final = 2_000
DEEPEST: Final = 50  # parts within parts
QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
ONE_ADDRESS: Final = r"[^\s@<>()\[\]:;,\\\"]+@[^\s@<>()\[\]:;,\\\"]+"
ADDRESS: Final = re.compile(rf"[^<>]*<(?P<within>{ONE_ADDRESS})>|(?P<bare>{ONE_ADDRESS})")
SHIFTED: Final = (b"\x1b", b"\x00")  # bytes of charsets that look like ASCII, and are not


@frozen(kw_only=True)
class Mail:
    """`sender` is the From header as people read it, `address` the one address in it, "" if there is no such thing.

    `text` is the plain text of the mail, or of its HTML, at most 100,000 characters.
    """

    id: str
    subject: str
    sender: str
    address: str
    date: str
    snippet: str
    text: str


def mail_from(message: Mapping[str, Any]) -> Mail:
    """The mail in a message resource."""
    payload = _mapping(message.get("payload"))
    headers = _headers(payload)
    return Mail(
        id=str(message.get("id", "")),
        subject=decoded(headers.get("subject", "")),
        sender=decoded(headers.get("from", "")),
        address=address_in(headers.get("from", "")),
        date=headers.get("date", ""),
        snippet=html.unescape(str(message.get("snippet", ""))),
        text=_text(payload)[:LONGEST_TEXT],
    )


def decoded(header: str) -> str:
    """A header's text, its encoded words (RFC 2047) decoded, on one line."""
    try:
        text = str(make_header(decode_header(header)))
    except (HeaderParseError, LookupError, ValueError):
        text = header
    return " ".join((text if text.strip() else header).split())


def address_in(header: str) -> str:
    """The address in a From header, in lower case; "" unless there is exactly one.

    What is in quotes is taken away before anything is decoded, so that no display name can bring an address of its own.
    ⚗ The parsers of the standard library find `boss@good.example` in `boss@good.example <thief@bad.example>`.
    """
    found = ADDRESS.fullmatch(QUOTED.sub("", header).strip())
    return (found["within"] or found["bare"]).lower() if found else ""


def _text(payload: Mapping[str, Any]) -> str:
    leaves = list(_leaves(payload, DEEPEST))
    for wanted in ("text/plain", "text/html"):
        for leaf in leaves:
            if leaf.get("mimeType") == wanted and not leaf.get("filename") and (text := _content(leaf).strip()):
                return text if wanted == "text/plain" else _tidy(text_of_html(text))
    return ""


def _leaves(part: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    inner = part.get("parts")
    if not inner:
        yield part
    elif isinstance(inner, list) and depth:
        for leaf in inner:
            yield from _leaves(_mapping(leaf), depth - 1)


def _content(leaf: Mapping[str, Any]) -> str:
    data = _mapping(leaf.get("body")).get("data")
    if not isinstance(data, str):
        return ""
    data = data[: 8 * LONGEST_TEXT]  # no more bytes than so many characters could take, and a multiple of four
    try:
        content = urlsafe_b64decode(data + "=" * (-len(data) % 4))
    except ValueError:
        return ""
    return _decoded_bytes(content, _charset(_headers(leaf).get("content-type", "")))


def _decoded_bytes(content: bytes, charset: str) -> str:
    """Gmail gives some parts in UTF-8 whatever they say, and others as they came."""
    if not any(mark in content for mark in SHIFTED):
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def _charset(content_type: str) -> str:
    message = EmailMessage()
    try:
        message["Content-Type"] = " ".join(content_type.split())
        return message.get_content_charset("utf-8")
    except (HeaderParseError, LookupError, ValueError, AttributeError):
        return "utf-8"


def _headers(part: Mapping[str, Any]) -> dict[str, str]:
    """By name in lower case; of several with one name the first counts."""
    found: dict[str, str] = {}
    headers = part.get("headers")
    for header in headers if isinstance(headers, list) else ():
        name, value = _mapping(header).get("name"), _mapping(header).get("value")
        if isinstance(name, str) and isinstance(value, str):
            found.setdefault(name.lower(), value[:LONGEST_HEADER])
    return found


def _tidy(text: str) -> str:
    """Lines without the space around them, and none that is empty."""
    return "\n".join(line for line in (" ".join(line.split()) for line in text.splitlines()) if line)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
