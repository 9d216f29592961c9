"""JSON as RFC 8259 has it. Pure."""

import json
from typing import Any, NoReturn


class NotJson(ValueError):
    """The body is no JSON; the message says what is wrong and where."""


def parse_json(body: bytes) -> Any:
    """The document in `body` (UTF-8, UTF-16 or UTF-32). NaN and Infinity are refused. Raises `NotJson`."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start:,} is no {error.encoding.upper()}") from error
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    except ValueError as error:  # a constant of ours, or a number of more digits than Python converts
        raise NotJson(str(error)) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it contains {constant}, which JSON does not have")
