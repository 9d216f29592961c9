"""Gmail's search, as far as tests need it: https://support.google.com/mail/answer/7190"""

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

DAYS: Final = {"h": 1 / 24, "d": 1.0, "m": 30.0, "y": 365.0}


class Searched(Protocol):
    """What a search looks at."""

    @property
    def labels(self) -> set[str]: ...
    @property
    def at(self) -> datetime: ...
    @property
    def has_attachment(self) -> bool: ...
    def header(self, name: str) -> str: ...
    @property
    def text(self) -> str: ...


Operator = Callable[[str, Searched, datetime], bool]


def matches(query: str, message: Searched, now: datetime) -> bool:
    """Whether every term of `query` fits, so that groups mean nothing. A term that this fake does not play fails the test."""
    return all(_fits(term, message, now) for term in shlex.split(query.replace("(", " ").replace(")", " ")))


def _fits(term: str, message: Searched, now: datetime) -> bool:
    if term.startswith("-"):
        return not _fits(term[1:], message, now)
    operator, colon, value = term.partition(":")
    if not colon:
        assert term not in ("OR", "AND", "AROUND"), f"the fake does not play {term}"
        return term.lower() in f"{message.header('Subject')}\n{message.header('From')}\n{message.text}".lower()
    assert operator in OPERATORS, f"the fake does not play the search term {term!r}"
    return OPERATORS[operator](value, message, now)


def _is(value: str, message: Searched, _now: datetime) -> bool:
    assert value in ("read", "unread", "starred", "important"), f"the fake does not play is:{value}"
    return "UNREAD" not in message.labels if value == "read" else value.upper() in message.labels


def _label(value: str, message: Searched, _now: datetime) -> bool:
    return value == "anywhere" or value.upper() in {label.upper() for label in message.labels}


def _has(value: str, message: Searched, _now: datetime) -> bool:
    assert value == "attachment", f"the fake does not play has:{value}"
    return message.has_attachment


def _newer_than(value: str, message: Searched, now: datetime) -> bool:
    found = re.fullmatch("([0-9]+)([hdmy])", value)
    assert found, f"Gmail does not understand an age of {value!r}"
    return message.at > now - timedelta(days=int(found[1]) * DAYS[found[2]])


def _after(value: str, message: Searched, _now: datetime) -> bool:
    if value.isdigit():
        return message.at >= datetime.fromtimestamp(int(value), UTC)
    return message.at >= datetime.strptime(value, "%Y/%m/%d").replace(tzinfo=UTC)


def _in_header(name: str) -> Operator:
    return lambda value, message, _now: value.lower() in message.header(name).lower()


OPERATORS: Final[Mapping[str, Operator]] = {
    "is": _is,
    "in": _label,
    "label": _label,
    "has": _has,
    "newer_than": _newer_than,
    "older_than": lambda value, message, now: not _newer_than(value, message, now),
    "after": _after,
    "before": lambda value, message, now: not _after(value, message, now),
    "rfc822msgid": _in_header("Message-ID"),
    **{name: _in_header(name) for name in ("from", "to", "cc", "subject")},
}
