"""The parts of a request as its route asks for them, or a `Failure` that says what is wrong with them."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import trio
from jsonschema import Draft202012Validator
from quart import Request
from werkzeug.datastructures import MultiDict

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.route import Schema

MAX_BODY_BYTES: Final = 1024 * 1024
BODY_SECS: Final = 5.0
WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")  # of which 64 bits hold every one
MOST: Final = 10**18 - 1
MOST_OF_A_PROBLEM: Final = 200  # characters; what was refused, which may be the whole body, is among them
BOOLEANS: Final = {"true": True, "false": False}


def query_values(schemas: Mapping[str, Schema], given: MultiDict[str, str]) -> dict[str, Any]:
    """Every parameter, defaults included. An unknown one is refused: a misspelt `dry_run` must not run."""
    for name in given:
        if len(given.getlist(name)) > 1:
            raise Failure(400, f"the parameter '{name}' is given more than once")
    values = {name: _value(text, schemas.get(name, {})) for name, text in given.items()}
    _check({"type": "object", "properties": schemas, "additionalProperties": False}, values, "the query")
    defaults = {name: schema["default"] for name, schema in schemas.items() if "default" in schema}
    return {**defaults, **values}


async def body_object(schema: Schema, request: Request) -> dict[str, Any]:
    """The JSON object in the body; no body is an empty object.

    Raises `Failure` with 408 if it takes too long to come, 413 if it is too large, 400 if it is not as `schema` says.
    """
    text = await _body(request)
    try:
        body = json.loads(text, parse_constant=_refuse) if text else {}
        json.dumps(body, ensure_ascii=False).encode()  # JSON can escape what no text can be
    except UnicodeEncodeError as error:
        raise Failure(400, "the body has half of a surrogate pair, which stands for no character") from error
    except (ValueError, RecursionError) as error:
        raise Failure(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise Failure(400, "the body is no JSON object")
    _check(schema, body, "the body")
    return body


async def _body(request: Request) -> bytes:
    """Not `request.get_data()`: in an embedder's app its limits are the embedder's."""
    received = bytearray()
    with trio.move_on_after(BODY_SECS):
        async for some in request.body:
            received += some
            if len(received) > MAX_BODY_BYTES:
                raise Failure(413, f"the body has more than {MAX_BODY_BYTES:,} bytes")
        return bytes(received)
    raise Failure(408, f"the body did not come within {BODY_SECS:g} s")


def _value(text: str, schema: Schema) -> Any:
    """What a parameter says, by the type that its schema names; what does not fit stays text, which the schema refuses."""
    match schema.get("type"):
        case "integer" if WHOLE_NUMBER.fullmatch(text):
            return int(text)
        case "boolean":
            return BOOLEANS.get(text, text)
        case _:
            return text


def _check(schema: Schema, value: Mapping[str, Any], name: str) -> None:
    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda error: error.json_path)
    if errors:
        problems = [f"{error.json_path}: {error.message}"[:MOST_OF_A_PROBLEM] for error in errors]
        raise Failure(400, f"{name} is wrong: {'; '.join(problems)}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
