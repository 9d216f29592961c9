"""What Google's APIs know, read from the discovery documents inside google-api-python-client.

Format: https://developers.google.com/discovery/v1/reference/apis
"""

import base64
import binascii
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from attrs import frozen

APIS: Final = ("gmail.v1", "calendar.v3")
OF_EVERY_METHOD: Final = {"alt": "json", "prettyPrint": "true"}  # the others, the fake does not play


@frozen(kw_only=True)
class Method:
    """One method of an API; `document` is the API's whole discovery document."""

    id: str
    http_method: str
    path: re.Pattern[str]
    parameters: Mapping[str, Any]
    request: str | None
    response: str | None
    scopes: frozenset[str]
    document: Mapping[str, Any]

    def query_problems(self, query: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """What is wrong with these parameters of a URL."""
        for name, values in query.items():
            schema = self.parameters.get(name, {})
            if name in OF_EVERY_METHOD and values == [OF_EVERY_METHOD[name]]:
                continue
            if schema.get("location") != "query":
                yield f'Unknown name "{name}": Cannot bind query parameter.'
                continue
            if len(values) > 1 and not schema.get("repeated"):
                yield f"{name} is given {len(values)} times"
            for value in values:
                yield from _parameter_problems(name, schema, value)

    def body_problems(self, body: Any) -> list[str]:
        """What is wrong with this body of a request."""
        if self.request is None:
            return [] if body is None else [f"{self.id} takes no body"]
        return [*problems(self.document, {"$ref": self.request}, body, self.request)]

    def answer_problems(self, body: Any) -> list[str]:
        """What is wrong with this body of an answer."""
        if self.response is None:
            return [] if body is None else [f"{self.id} answers without a body"]
        return [*problems(self.document, {"$ref": self.response}, body, self.response)]


@cache
def methods() -> tuple[Method, ...]:
    """All methods of all APIs, those with the fewest parameters in their path first: /batchModify before /{id}."""
    found = importlib.util.find_spec("googleapiclient")
    assert found
    assert found.origin
    folder = Path(found.origin).parent / "discovery_cache" / "documents"
    documents = [json.loads((folder / f"{api}.json").read_text()) for api in APIS]
    every = [_method(document, raw) for document in documents for raw in _raw_methods(document)]
    return tuple(sorted(every, key=lambda method: method.path.groups))


def method_for(http_method: str, path: str) -> tuple[Method, Mapping[str, str]] | None:
    """The method that this request calls, and the parameters in its path."""
    for method in methods():
        if method.http_method == http_method and (found := method.path.fullmatch(path)):
            return method, {name: unquote(value) for name, value in found.groupdict().items()}
    return None


def problems(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    """Where `value` is not what `schema` says."""
    schema = document["schemas"][schema["$ref"]] if "$ref" in schema else schema
    match schema["type"], value:
        case "object", dict():
            properties, others = schema.get("properties", {}), schema.get("additionalProperties")
            for name, inner in value.items():
                known = properties.get(name, others)
                if known is None:
                    yield f"Unknown name \"{name}\" at '{where}': Cannot find field."
                else:
                    yield from problems(document, known, inner, f"{where}.{name}")
        case "array", list():
            for n, item in enumerate(value):
                yield from problems(document, schema["items"], item, f"{where}[{n}]")
        case ("any", _) | ("boolean", bool()) | ("integer", int()) | ("number", int() | float()):
            if isinstance(value, bool) and schema["type"] in ("integer", "number"):
                yield f"Invalid value at '{where}' ({schema['type']}), {value!r}"
        case "string", str():
            yield from _string_problems(schema, value, where)
        case kind, _:
            yield f"Invalid value at '{where}' ({kind}), {value!r}"


def _string_problems(schema: Mapping[str, Any], value: str, where: str) -> Iterator[str]:
    if value not in schema.get("enum", [value]):
        yield f"Invalid value at '{where}', {value!r}: it is none of {schema['enum']}"
    try:
        match schema.get("format"):
            case "int64" | "uint64":
                int(value)
            case "byte":
                base64.b64decode(value, altchars=b"-_", validate=True)
            case "date":
                date.fromisoformat(value)
            case "date-time":
                assert datetime.fromisoformat(value).tzinfo
    except (ValueError, AssertionError, binascii.Error):
        yield f"Invalid value at '{where}' ({schema['format']}), {value!r}"


def _parameter_problems(name: str, schema: Mapping[str, Any], value: str) -> Iterator[str]:
    match schema["type"]:
        case "integer" if not re.fullmatch("-?[0-9]+", value):
            yield f"Invalid value at '{name}' (integer), {value!r}"
        case "integer" if int(value) < int(schema.get("minimum", "0")):
            yield f"Invalid value at '{name}': {value} is too small"
        case "boolean" if value not in ("true", "false"):
            yield f"Invalid value at '{name}' (boolean), {value!r}"
        case "string":
            yield from _string_problems(schema, value, name)


def _raw_methods(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _raw_methods(inner)


def _method(document: Mapping[str, Any], raw: Mapping[str, Any]) -> Method:
    literals = re.split(r"\{\+?(\w+)\}", f"/{document['servicePath']}{raw['path']}")
    pattern = "".join(f"(?P<{part}>[^/]+)" if n % 2 else re.escape(part) for n, part in enumerate(literals))
    return Method(
        id=raw["id"],
        http_method=raw["httpMethod"],
        path=re.compile(pattern),
        parameters=raw.get("parameters", {}),
        request=raw.get("request", {}).get("$ref"),
        response=raw.get("response", {}).get("$ref"),
        scopes=frozenset(raw.get("scopes", ())),
        document=document,
    )
