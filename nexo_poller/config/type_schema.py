"""Python types as JSON Schema (draft 2020-12), by the same rules as `structuring` reads values."""

import inspect
from collections.abc import Mapping
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, get_args

from nexo_poller.config.fields import ConfigField, fields_of, is_config_class
from nexo_poller.config.meanings import MEANINGS
from nexo_poller.config.structuring import LISTS, MAPPINGS, UNIONS, origin_of

Schema = dict[str, Any]
SCALARS: Final[Mapping[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
}
BOUNDS: Final = {">=": "minimum", ">": "exclusiveMinimum", "<=": "maximum", "<": "exclusiveMaximum"}


def type_schema(type_: Any) -> Schema:  # noqa: PLR0911 - a line for each sort of type
    """What a value must look like to become a `type_`. Types that are not known take anything."""
    origin = origin_of(type_)
    if origin in SCALARS:
        return {"type": SCALARS[origin]}
    if is_config_class(origin):
        return _class_schema(origin)
    if origin in UNIONS:
        return {"anyOf": [type_schema(member) for member in get_args(type_)]}
    if origin is Literal:
        return {"enum": list(get_args(type_))}
    if isinstance(origin, type) and issubclass(origin, Enum):
        return {"enum": [member.value for member in origin]}
    if origin in LISTS:
        return {"type": "array", "items": type_schema((*get_args(type_), Any)[0])}
    if origin in MAPPINGS:
        return {"type": "object", "additionalProperties": type_schema((*get_args(type_), Any, Any)[1])}
    return {}


def _class_schema(config_class: type) -> Schema:
    fields = fields_of(config_class)
    schema: Schema = {
        "type": "object",
        "properties": {field.key: _field_schema(field) | _meaning(config_class, field.key) for field in fields},
        "required": [field.key for field in fields if field.is_required],
        "additionalProperties": False,
    }
    written = config_class.__doc__ or ""
    if written.startswith(f"{config_class.__name__}("):  # what dataclasses make up for those who write nothing
        return schema
    return {"description": inspect.cleandoc(written), **schema} if written else schema


def _meaning(config_class: type, key: str) -> Schema:
    words = MEANINGS.get(config_class, {}).get(key)
    return {} if words is None else {"description": words}


def _field_schema(field: ConfigField) -> Schema:
    schema = type_schema(field.type)
    if field.attribute is not None:
        schema |= _bounds(field.attribute.validator)
    default = field.default
    if default is None or isinstance(default, str | int | float):
        schema["default"] = default
    return schema


def _bounds(validator: Any) -> Schema:
    """What the number and length validators of attrs ask for; others have no words in a schema.

    Those validators are private classes with public attributes, so it goes by the attributes.
    """
    inner = (*getattr(validator, "_validators", ()), *filter(None, [getattr(validator, "validator", None)]))
    bounds = {word: bound for part in inner for word, bound in _bounds(part).items()}
    if (operator := getattr(validator, "compare_op", None)) in BOUNDS:
        bounds[BOUNDS[operator]] = validator.bound
    if (shortest := getattr(validator, "min_length", None)) is not None:
        bounds["minLength"] = shortest
    if (longest := getattr(validator, "max_length", None)) is not None:
        bounds["maxLength"] = longest
    return bounds
