"""Every endpoint of the admin server, from the OpenAPI document that it serves."""

from collections.abc import Iterator, Mapping
from typing import Any

from generating.tables import Schema, keys, kind, members, table
from nexo_poller.admin.access import Rules
from nexo_poller.admin.openapi import openapi
from nexo_poller.admin.table import ROUTES


def markdown() -> str:
    """A heading for each method of each path, with its parameters, its body and its answers."""
    paths: Mapping[str, Mapping[str, Any]] = openapi(ROUTES, "", Rules())["paths"]
    return "\n".join(
        part
        for path, methods in paths.items()
        for method, operation in methods.items()
        for part in _endpoint(f"{method.upper()} {path}", operation)
    )


def _endpoint(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {title}\n\n{operation['summary']}.\n"
    yield table(
        ("parameter", "in", "value", ""),
        (
            (f"`{one['name']}`", one["in"], kind(one["schema"]), str(one["schema"].get("description", "")))
            for one in operation["parameters"]
        ),
    )
    body = operation.get("requestBody", {"content": {}})["content"].get("application/json", {"schema": {}})["schema"]
    if table_of_body := keys(body):
        yield f"Body, as JSON:\n\n{table_of_body}"
    yield from _answers(operation["responses"])


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    [(media_type, answer)] = responses["200"]["content"].items()
    schema: Schema = answer["schema"]
    of_what = "a list of objects, each with" if schema.get("type") == "array" else "an object with"
    if listed := members(schema.get("items", schema)):
        yield f"200 answers `{media_type}`, {of_what}\n\n{listed}"
    else:
        yield f"200 answers `{media_type}`.\n"
    refused = {status: response["description"] for status, response in responses.items() if status != "200"}
    yield "Otherwise: " + "; ".join(f"{status} {words.lower()}" for status, words in refused.items()) + ".\n"
