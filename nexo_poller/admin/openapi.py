"""The description of all endpoints (OpenAPI 3.1), made of the table that serves them."""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from jsonschema import Draft202012Validator

from nexo_poller.admin.access import Rules
from nexo_poller.admin.route import Route, Schema

JSON: Final = "application/json"
HTML: Final = "text/html"
FAILURE: Final[Schema] = {
    "type": "object",
    "properties": {"ok": {"const": False}, "error": {"type": "string"}},
    "required": ["ok", "error"],
}
WORDS: Final = {
    400: "The request is wrong, or what it asked for failed",
    401: "The token is missing or wrong",
    403: "The caller may not call",
    404: "There is no such thing",
    405: "The path does not take this method",
    408: "The body did not come in time",
    409: "Not possible as things are",
    413: "The body is too large",
    415: "The body is not said to be JSON",
    503: "The runner does not serve, or too many ask at once",
}
OF_ALL: Final = (400, 401, 403, 408, 413, 503)
OF_CHANGES: Final = (415,)


def openapi(routes: Iterable[Route], root: str, rules: Rules) -> dict[str, Any]:
    """The description of these routes, below the path `root`, to callers by these rules."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = {
            **_operation(route),
            "security": _security(route, rules),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nexo_poller",
            "version": version("nexo-poller"),
            "description": "A running daemon, to be seen and steered. Times are milliseconds since the epoch.",
        },
        "servers": [{"url": root or "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Failure": FAILURE},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": rules.session_cookie},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z]+', '_', route.path).strip('_')}",
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route),
    }
    if route.method != "GET":
        may_be_empty = Draft202012Validator(route.body).is_valid({})
        operation["requestBody"] = {"required": not may_be_empty, "content": _content(JSON, route.body)}
    return operation


def _security(route: Route, rules: Rules) -> list[dict[str, Any]]:
    """What a caller must bring, one of these; nothing, if there are none."""
    return [] if route.is_public or rules.token is None else [{"token": []}, {"session": []}]


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in route.query.items()]


def _responses(route: Route) -> dict[str, Any]:
    found = {"200": {"description": "So it is", "content": _content(route.media_type, route.answer)}}
    statuses = {*OF_ALL, *(OF_CHANGES if route.method != "GET" else ()), *route.failures}
    refusal = _content(JSON, {"$ref": "#/components/schemas/Failure"})
    if route.media_type == HTML:  # what goes wrong for people is a page
        refusal = {**refusal, **_content(HTML, route.answer)}
    refused = {str(status): {"description": WORDS[status], "content": refusal} for status in sorted(statuses)}
    return {**found, **refused}


def _content(media_type: str, schema: Schema) -> Mapping[str, Any]:
    return {media_type: {"schema": schema}}
