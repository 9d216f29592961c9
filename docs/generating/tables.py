"""Markdown tables of JSON Schemas."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]
FEW: Final = 4
BOUNDS: Final = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of the columns that have something in them; nothing if there are none."""
    columns = [column for column in zip(titles, *rows, strict=True) if any(column[1:])]
    head, *lines = map(_row, zip(*columns, strict=True)) if columns else ("",)
    return "\n".join([head, "|---" * len(columns) + "|", *lines, ""]) if lines else ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def keys(schema: Schema) -> str:
    """The properties of an object: key, what it may be, default, and meaning."""
    required = schema.get("required", ())
    return table(
        ("key", "value", "default", ""),
        (
            (f"`{key}`", kind(value), "*must be there*" if key in required else _default(value), _meaning(value))
            for key, value in schema.get("properties", {}).items()
        ),
    )


def members(schema: Schema) -> str:
    """The properties of an object that is answered: name, what it may be, and meaning."""
    rows = (
        (f"`{key}`", kind(value) + " or null" * _may_be_null(value), _meaning(value))
        for key, value in schema.get("properties", {}).items()
    )
    return table(("member", "value", ""), rows)


def _may_be_null(schema: Schema) -> bool:
    return any(form.get("type") == "null" for form in schema.get("anyOf", ()))


def kind(schema: Schema) -> str:  # noqa: PLR0911 - a line for each sort of value
    """What a value may be, in few words."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if forms := schema.get("anyOf") or schema.get("oneOf"):
        words = dict.fromkeys(kind(form) for form in forms if form.get("type") != "null")
        return " or ".join(words) + _bounds(schema)
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema.get('items', {}))}"
        case "object" if "properties" in schema:
            names = [f"`{key}`" for key in schema["properties"]]
            return "mapping with " + ", ".join(names[:FEW] + ["…"] * (len(names) > FEW))
        case "object":
            return "mapping"
        case list(types):
            return " or ".join(types)
        case None:
            return "anything"
        case type_:
            return f"{type_}{_bounds(schema)}"


def _bounds(schema: Schema) -> str:
    return "".join(f", {sign} {schema[word]:,}" for word, sign in BOUNDS.items() if word in schema)


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"


def _meaning(schema: Schema) -> str:
    return escaped(schema.get("description", ""))


def escaped(words: str) -> str:
    """Words in which Markdown finds no HTML; in code it looks for none."""
    return re.sub(r"(`[^`]*`)|<", lambda found: found[1] or r"\<", words)
