"""Messages as people read them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from nexo_poller.logs import escape
from nexo_poller.words import counted


def lines_of(messages: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Topics with their payloads, any JSON values: a line for where each goes, and the lines of its text below."""
    for topic, payload in messages:
        to = f", to {payload['to']}" if isinstance(payload, Mapping) and "to" in payload else ""
        yield escape(f"  {topic}{to}:")
        for line in _text(payload).splitlines():
            yield f"    {escape(line)}"


def summary(items: int, messages: int, fate: str) -> str:
    """`3 items came, 1 message on the way`."""
    return f"{counted(items, 'item')} came, {counted(messages, 'message')} {fate}"


def gist(message: Mapping[str, Any]) -> str:
    """What a message of outbox or dead letters says: its text, or else all of its payload, or else how long it is."""
    payload = message["payload"]
    if payload is None:
        return f"({message['bytes']:,} bytes)"
    return _text(payload)


def hint_at_more(page: Sequence[Mapping[str, Any]], limit: int) -> None:
    """Below a full page, how to ask for the next one; on stderr, for it is none of the messages."""
    if len(page) == limit:
        click.echo(f"there may be more: --after {page[-1]['id']}", err=True)


def _text(payload: Any) -> str:
    return str(payload.get("text", payload) if isinstance(payload, Mapping) else payload)
