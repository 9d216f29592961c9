"""Every key of pollers.yaml, from the JSON Schema that `nexo-poller schema` prints."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from generating.tables import Schema, escaped, keys
from nexo_poller.builtins import builtin_pollers
from nexo_poller.config.json_schema import json_schema


def markdown() -> str:
    """A heading and a table for the file, for each of its sections, and for each kind."""
    file = json_schema({poller.kind: poller for poller in builtin_pollers()})
    return "\n".join(("## The file", _keys(file), *_sections(file, "")))


def _sections(schema: Schema, path: str) -> Iterator[str]:
    """A heading for every value that is a mapping, and below it a table for each form that it may have."""
    for key, value in schema.get("properties", {}).items():
        for inner, forms in groupby(_mappings(value, f"{path}{key}"), key=itemgetter(0)):
            if key != "deliver":  # the same everywhere, and named in its line
                yield f"## {inner}\n"
                for _, form in forms:
                    yield _keys(form)
                    yield from _sections(form, f"{inner}.")
    for form in schema.get("allOf", ()):
        yield from _kind(form)


def _kind(form: Mapping[str, Any]) -> Iterator[str]:
    """A heading and tables for what a job of one kind must look like besides."""
    name, then = form["if"]["properties"]["kind"]["const"], form["then"]
    yield f"## kind: {name}\n\n{then['description']}\n"
    for _, config in _mappings(then["properties"]["config"], ""):
        yield _keys(config)
        yield from _sections(config, f"{name}: ")


def _keys(schema: Schema) -> str:
    return f"{escaped(schema.get('description', ''))}\n\n{keys(schema)}"


def _mappings(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """The mappings with known keys that a value may be or hold, after how the way there is written."""
    if "properties" in schema:
        yield path, schema
    for form in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _mappings(form, path)
    if "items" in schema:
        yield from _mappings(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _mappings(schema["additionalProperties"], f"{path}.NAME")
