"""How results and timelines are told in a terminal."""

import json
from typing import Any, Final

MOST_LETTERS: Final = 60


def text_of(payload: Any) -> str:
    """What a person would read: `payload` if it is a text, or its `text`, or else all of it as JSON."""
    text = payload.get("text") if isinstance(payload, dict) else payload
    return text if isinstance(text, str) else json.dumps(payload, ensure_ascii=False, default=repr)


def shortened(text: str) -> str:
    """`text` in one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"


def told_cursor(cursor: bytes | None) -> str:
    """A cursor as text where it is one."""
    return "(none)" if cursor is None else shortened(cursor.decode(errors="backslashreplace"))
