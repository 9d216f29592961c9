"""A mail as Gmail's API gives it with `format=full`, and what the kind `gmail` wants of it. Pure.

The format: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages#Message. Everything in
it was written by strangers: a field that is missing, broken or of another type is treated as empty.
"""

import codecs
import html
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import Any, Final

from attrs import frozen

from nexo_poller.builtins.html import text_of_html
from nexo_poller.template import without_unwanted

LONGEST_TEXT: Final = 100_000  # characters that are looked at
LONGEST_DATA: Final = 8 * LONGEST_TEXT  # of base64: more bytes than so many characters take; a multiple of four
LONGEST_HEADER: Final = 2_000
DEEPEST: Final = 50  # parts within parts
ASIDE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)')  # RFC 5322: a quoted string, a comment
ONE_ADDRESS: Final = r"[^\s@<>()\[\]:;,\\\"]+@[^\s@<>()\[\]:;,\\\"]+"
ONE_NAME: Final = r"(?:[^<>@]*|[^<>,;:]*)"  # with both, it would be a list of senders, and this the last of them
ADDRESS: Final = re.compile(rf"{ONE_NAME}<(?P<within>{ONE_ADDRESS})>|(?P<bare>{ONE_ADDRESS})")
SHIFTED: Final = (b"\x1b", b"\x00")  # bytes of charsets that look like ASCII, and are not
# Python's codecs that are no charsets of mails. ⚗ That of punycode takes half a minute for the longest text.
NO_CHARSETS: Final = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape"})


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
    senders = _headers(payload, "from")
    return Mail(
        id=_string(message, "id"),
        subject=decoded(_header(payload, "subject")),
        sender=decoded(_header(payload, "from")),
        address=address_in(senders[0]) if len(senders) == 1 else "",
        date=decoded(_header(payload, "date")),
        snippet=html.unescape(_string(message, "snippet")),
        text=_text(payload)[:LONGEST_TEXT],
    )


def decoded(header: str) -> str:
    """The text of a header, of at most 2,000 characters of it, its encoded words (RFC 2047) decoded, on one line."""
    header = header[:LONGEST_HEADER]
    try:
        text = str(make_header(decode_header(header)))
    except (HeaderParseError, LookupError, ValueError):
        text = header
    return " ".join(without_unwanted(text if text.strip() else header).split())


def address_in(header: str) -> str:
    """The address in a From header, in lower case; "" unless there is exactly one, where everybody would see it.

    What is in quotes, and what is a comment, is taken away before anything is decoded, so that no display name can bring
    an address of its own. A header that is too long is no address: what is at its end may be the one that counts.
    ⚗ The parsers of the standard library find `boss@good.example` in `boss@good.example <thief@bad.example>`.
    """
    bare = ASIDE.sub(" ", header[: LONGEST_HEADER + 1]).strip()
    if len(header) > LONGEST_HEADER or any(mark in bare for mark in '"()'):
        return ""
    found = ADDRESS.fullmatch(bare)
    return in_lower_case(found["within"] or found["bare"]) if found else ""


def in_lower_case(address: str) -> str:
    """The address with its ASCII letters in lower case. ⚗ `str.lower` makes a k of the Kelvin sign, another's address."""
    return address.encode("utf-8", "replace").lower().decode()


def _text(payload: Mapping[str, Any]) -> str:
    """That of the first part with any, in the order of the mail: what comes after its text are footers, or other mails."""
    for leaf in _leaves(payload, DEEPEST):
        if not _is_attached(leaf) and (content := _content(leaf).strip()):
            match _string(leaf, "mimeType"):
                case "text/plain":
                    return content
                case "text/html" if text := _tidy(text_of_html(content)):
                    return text
    return ""


def _leaves(part: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """Of alternatives, the plain one is first."""
    inner = part.get("parts")
    if not inner:
        yield part
    elif isinstance(inner, list) and depth:
        parts = [*map(_mapping, inner)]
        if part.get("mimeType") == "multipart/alternative":
            parts.sort(key=lambda alternative: alternative.get("mimeType") != "text/plain")
        for within in parts:
            yield from _leaves(within, depth - 1)


def _is_attached(leaf: Mapping[str, Any]) -> bool:
    disposition = _header(leaf, "content-disposition").strip().lower()
    return bool(leaf.get("filename")) or disposition.startswith("attachment")


def _content(leaf: Mapping[str, Any]) -> str:
    data = _string(_mapping(leaf.get("body")), "data")
    cut = data[:LONGEST_DATA]
    try:
        content = urlsafe_b64decode(cut + "=" * (-len(cut) % 4))
    except ValueError:
        return ""
    if len(cut) < len(data):  # so as not to end within a character
        content = content.rstrip(bytes(range(0x80, 0xC0)))[:-1]
    return _decoded_bytes(content, _charset(_header(leaf, "content-type")))


def _decoded_bytes(content: bytes, charset: str) -> str:
    """Gmail gives some parts in UTF-8 whatever they say, and others as they came."""
    if not any(mark in content for mark in SHIFTED):
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
    try:
        text = content.decode("utf-8" if codecs.lookup(charset).name in NO_CHARSETS else charset, "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode()  # UTF-7 can bring halves of characters


def _charset(content_type: str) -> str:
    """⚗ `EmailMessage` cannot be used: 2,000 brackets are too many recursions for it."""
    message = Message()
    message["Content-Type"] = " ".join(content_type[:LONGEST_HEADER].split())
    return message.get_content_charset("utf-8")


def _header(part: Mapping[str, Any], name: str) -> str:
    """The first of this name."""
    return next(iter(_headers(part, name)), "")


def _headers(part: Mapping[str, Any], name: str) -> Sequence[str]:
    headers = part.get("headers")
    found = [*map(_mapping, headers)] if isinstance(headers, list) else []
    return [_string(header, "value") for header in found if _string(header, "name").lower() == name]


def _tidy(text: str) -> str:
    """Lines without the space around them, and none that is empty."""
    return "\n".join(line for line in (" ".join(line.split()) for line in text.splitlines()) if line)


def _string(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
