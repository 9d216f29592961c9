"""Dotted paths into JSON documents: `data.items`, `tags.0`. Pure, and blind to attributes."""

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

INDEX = re.compile(r"[0-9]{1,9}")


@frozen(kw_only=True)
class DeadEnd:
    """Where a path stopped: `at` is the part that could be followed ("" is the root), `found` is what is there."""

    at: str
    missing: str
    found: Any


def follow(document: Any, path: str) -> Any:
    """What `path` leads to in `document`, or a `DeadEnd`.

    Each part names a key of an object, or by its number an element of a list. A key of the document that equals the
    whole path, dots and all, comes first. "" is the document itself.
    """
    if not path or (isinstance(document, Mapping) and path in document):
        return document[path] if path else document
    value = document
    parts = path.split(".")
    for depth, part in enumerate(parts):
        match value:
            case Mapping() if part in value:
                value = value[part]
            case list() | tuple() if INDEX.fullmatch(part) and int(part) < len(value):
                value = value[int(part)]
            case _:
                return DeadEnd(at=".".join(parts[:depth]), missing=part, found=value)
    return value


def described(value: Any) -> str:
    """What a JSON value is, for an error message: its type, and the names inside an object."""
    match value:
        case None | bool():
            return json.dumps(value)
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list() | tuple():
            return f"a list of {len(value):,}"
        case Mapping():
            return f"an object with {_names(list(value))}"
        case _:
            return f"a {type(value).__name__}"


def _names(keys: list[Any], *, most: int = 8) -> str:
    if not keys:
        return "no keys"
    shown = ", ".join(str(key)[:40] for key in keys[:most])
    return f"the keys {shown}, …" if len(keys) > most else f"the keys {shown}"
