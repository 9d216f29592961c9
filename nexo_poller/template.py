"""Message templates: `{field}`, `{nested.field}`, `{tags.0}`, and `{json}` for the whole item.

One pass over the template, no evaluation of any kind: a value that contains `{link}` stays as it is, and so does a name
that the item does not have. Pure.
"""

import json
import re
from typing import Any

from nexo_poller.dotted import DeadEnd, follow

LONGEST_MESSAGE = 4096
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
# C0 and C1 except tab and newline; what turns the direction of text around; halves of surrogate pairs, which JSON can
# bring and UTF-8 cannot carry
UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def render(template: str, item: Any) -> str:
    """`template` with its placeholders filled in from `item` (a JSON value), cut at 4,096 characters, as messages are."""
    return filled_in(template, item)[:LONGEST_MESSAGE]


def filled_in(template: str, item: Any) -> str:
    """`template` with its placeholders filled in from `item` (a JSON value), however long.

    Strings appear as they are, everything else as compact JSON. Control and bidi characters are removed from values;
    the template's own stay.
    """

    def filled(placeholder: re.Match[str]) -> str:
        name = placeholder[1]
        value = item if name == "json" else follow(item, name)
        return placeholder[0] if isinstance(value, DeadEnd) else without_unwanted(_text(value))

    return PLACEHOLDER.sub(filled, template)


def without_unwanted(text: str) -> str:
    """`text` without the characters that could disguise it: control, bidi, surrogates. Tab and newline stay."""
    return UNWANTED.sub("", text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
