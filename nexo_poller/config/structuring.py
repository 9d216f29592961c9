"""Plain values into typed objects, strictly, with every problem and its key.

cattrs finds the way through a type; the hooks are ours, because its own convert where a file should be refused (`"5"`
into 5, a text into a list of its letters) and describe errors to programmers. Text is text and a number is a number;
a whole number will do for a float, and true and false are no numbers.
"""

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

from attrs import define, field
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, CattrsError

from nexo_poller.config.fields import ConfigField, fields_of, is_config_class
from nexo_poller.config.mismatch import NO_QUOTES, MismatchError
from nexo_poller.config.problems import KeyItself, rebased
from nexo_poller.config.spelling import did_you_mean
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.schedule import At, Cron, Every, parse_schedule

T = TypeVar("T")
Schedule = Every | Cron | At
Hook = Callable[[Any, Any], Any]

LISTS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    MutableSequence: list,
    tuple: tuple,
    Sequence: tuple,
    set: set,
    MutableSet: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
}
MAPPINGS: Final = (dict, Mapping, MutableMapping)
UNIONS: Final = (Union, UnionType)


def structure(value: Any, type_: type[T]) -> T:
    """`value` as an object of `type_`. Raises `ConfigError` with every problem; keys are relative to `value`."""
    parts = _Parts(_converter())
    structured: T = parts.take("", value, type_)
    parts.check()
    return structured


def origin_of(type_: Any) -> Any:
    """`list` for `list[int]`, the type itself for one without parameters."""
    return get_origin(type_) or type_


@define(eq=False)
class _Parts:
    """Structures the parts of one value, and goes on when one of them is wrong."""

    converter: Converter
    problems: list[Problem] = field(factory=list)

    def take(self, key: str | int, value: Any, type_: Any) -> Any:
        """The part under `key`; None, and its problems noted, if it is wrong. The key "" is the whole."""
        try:
            return self.converter.structure(value, type_)
        except (ConfigError, CattrsError, ValueError, TypeError) as error:
            self.problems += _problems(error, key)
            return None

    def check(self) -> None:
        """Raise `ConfigError` if there were problems."""
        if self.problems:
            raise ConfigError(*self.problems)


def _problems(error: Exception, key: str | int) -> list[Problem]:
    """What is wrong with the part under `key`."""
    under = () if key == "" else (key,)
    match error:
        case ConfigError():
            return rebased(error.problems, under)
        case BaseValidationError():
            return [Problem(what=text, key=under) for text in transform_error(error, path=_name(key))]
        case MismatchError():
            return [Problem(what=f"{_name(key)} {error}", remedy=error.remedy, key=under)]
        case _:  # attrs' validators put what they say to people first, and objects after it
            return [Problem(what=str(error.args[0]) if error.args else type(error).__name__, key=under)]


def _name(key: str | int) -> str:
    if isinstance(key, int):
        return f"item {key + 1}"
    return f"'{key}'" if key else "the value"


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for type_, hook in ((str, _text_hook), (int, _int_hook), (float, _float_hook), (bool, _bool_hook)):
        converter.register_structure_hook(type_, hook)
    for predicate, factory in (
        (is_config_class, _class_hook),
        (_is_list, _list_hook),
        (lambda type_: origin_of(type_) in MAPPINGS, _mapping_hook),
        (lambda type_: origin_of(type_) is Literal, _literal_hook),
        (lambda type_: origin_of(type_) in UNIONS, _union_hook),
        (lambda type_: type_ == Schedule, lambda _: _schedule_hook),
    ):
        converter.register_structure_hook_factory(predicate, factory)
    return converter


# type_ may be a subclass, such as a StrEnum


def _text_hook(value: Any, type_: type[str]) -> str:
    if not isinstance(value, str):
        raise MismatchError("text", value, "put it in quotes")
    return type_(value)


def _int_hook(value: Any, type_: type[int]) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MismatchError("a whole number", value, NO_QUOTES if isinstance(value, str) else "")
    return type_(value)


def _float_hook(value: Any, type_: type[float]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MismatchError("a number", value, NO_QUOTES if isinstance(value, str) else "")
    if not math.isfinite(value):
        raise MismatchError("a finite number", value)
    return type_(value)


def _bool_hook(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise MismatchError("true or false", value, NO_QUOTES if isinstance(value, str) else "")
    return value


def _class_hook(config_class: Any, converter: Converter) -> Hook:
    fields = {field.key: field for field in fields_of(config_class)}

    def structure_class(value: Any, _: Any) -> Any:
        if isinstance(value, config_class):
            return value
        if not isinstance(value, Mapping):
            raise MismatchError("a mapping", value, f"its keys are {', '.join(fields)}")
        parts = _Parts(converter)
        parts.problems += [*_unknown_keys(value, fields), *_missing_keys(value, fields)]
        given = {key: parts.take(key, value[key], field.type) for key, field in fields.items() if key in value}
        if parts.problems:
            faulty = {problem.key[:1] for problem in parts.problems}
            sound = {key: part for key, part in given.items() if (key,) not in faulty}
            raise ConfigError(*parts.problems, *_refused(config_class, sound))
        try:
            return config_class(**given)
        except (ValueError, TypeError, ConfigError) as error:
            problems = list(_refused(config_class, given))
            raise ConfigError(*problems or _problems(error, "")) from error

    return structure_class


def _unknown_keys(value: Mapping[str, Any], fields: Mapping[str, ConfigField]) -> Iterator[Problem]:
    for key in value:
        if key not in fields:
            hint = did_you_mean(str(key), [name for name in fields if name not in value])
            remedy = hint or (f"remove it; known keys: {', '.join(fields)}" if fields else "remove it")
            yield Problem(what=f"unknown key '{key}'", remedy=remedy, key=(KeyItself(key),))


def _missing_keys(value: Mapping[str, Any], fields: Mapping[str, ConfigField]) -> Iterator[Problem]:
    for key, config_field in fields.items():
        if config_field.is_required and key not in value:
            yield Problem(what=f"the key '{key}' is missing", remedy=f"add '{key}: …'", key=())


def _refused(config_class: type, given: Mapping[str, Any]) -> Iterator[Problem]:
    """What the validators of attrs say to each of the values; constructing the object stops at the first."""
    bare: Any = object.__new__(config_class)
    attributes = {
        config_field.key: config_field.attribute
        for config_field in fields_of(config_class)
        if config_field.attribute is not None and config_field.key in given
    }
    for key, attribute in attributes.items():
        object.__setattr__(bare, attribute.name, given[key])
    for key, attribute in attributes.items():
        if attribute.validator is None:
            continue
        try:
            attribute.validator(bare, attribute, given[key])
        except (ValueError, TypeError, ConfigError) as error:
            yield from _problems(error, key)
        except AttributeError:
            continue  # it looks at a field that was not given; the constructor has the last word


def _schedule_hook(value: Any, _: Any) -> Schedule:
    if not isinstance(value, Mapping):
        raise MismatchError("a mapping", value, "such as {every_secs: 300}")
    return parse_schedule(value)


def _is_list(type_: Any) -> bool:
    arguments = get_args(type_)
    is_of_fixed_length = origin_of(type_) is tuple and bool(arguments) and arguments[-1] is not ...
    return origin_of(type_) in LISTS and not is_of_fixed_length


def _list_hook(type_: Any, converter: Converter) -> Hook:
    make = LISTS[origin_of(type_)]
    item_type = (*get_args(type_), Any)[0]

    def structure_list(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise MismatchError("a list", value)
        parts = _Parts(converter)
        items = [parts.take(index, item, item_type) for index, item in enumerate(value)]
        parts.check()
        return make(items)

    return structure_list


def _mapping_hook(type_: Any, converter: Converter) -> Hook:
    value_type = (*get_args(type_), Any, Any)[1]

    def structure_mapping(value: Any, _: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise MismatchError("a mapping", value)
        parts = _Parts(converter)
        structured = {name: parts.take(name, inner, value_type) for name, inner in value.items()}
        parts.check()
        return structured

    return structure_mapping


def _literal_hook(type_: Any) -> Hook:
    allowed = get_args(type_)
    expected = " or ".join(f"'{word}'" if isinstance(word, str) else str(word) for word in allowed)

    def structure_literal(value: Any, _: Any) -> Any:
        for word in allowed:
            if type(value) is type(word) and value == word:
                return word
        raise MismatchError(
            expected, value, did_you_mean(str(value), [word for word in allowed if isinstance(word, str)])
        )

    return structure_literal


def _union_hook(type_: Any, converter: Converter) -> Hook:
    """The first member that takes the value; if none does, what they expect, or what is wrong inside the nearest."""
    members = [member for member in get_args(type_) if member is not NoneType]
    takes_none = NoneType in get_args(type_)

    def structure_union(value: Any, _: Any) -> Any:
        if value is None and takes_none:
            return None
        mismatches: list[MismatchError] = []
        flawed: list[ConfigError] = []
        for member in members:
            try:
                return converter.structure(value, member)
            except MismatchError as error:
                mismatches.append(error)
            except ConfigError as error:
                flawed.append(error)
        if flawed:
            raise min(flawed, key=lambda error: len(error.problems))
        expected = " or ".join(error.expected for error in mismatches)
        raise MismatchError(expected, value, next((error.remedy for error in mismatches if error.remedy), ""))

    return structure_union
