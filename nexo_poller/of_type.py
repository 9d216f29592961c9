"""Validators for values that people write by hand: they say what is wanted, and never show what was given.

attrs' own `instance_of` shows the value, be it a token, and the innards of the attribute.
"""

from collections.abc import Callable
from types import NoneType
from typing import Any, Final

from attrs import Attribute

MOST_NAMED: Final = 3
Validator = Callable[[Any, "Attribute[Any]", Any], None]


def of_type(*types: type, write: str = "") -> Validator:
    """Raises `TypeError` that names the attribute, the types that it may have, and `write`, what to write instead."""
    wanted = " or ".join("None" if one is NoneType else one.__name__ for one in types)

    def check(_instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, types):
            raise TypeError(f"{attribute.name} must be {wanted}, not {type(value).__name__}{_instead(write)}")

    return check


def like(protocol: type, *, write: str = "") -> Validator:
    """Raises `TypeError` that names the attribute and the methods of `protocol` that the value has not."""
    methods = [name for name, method in vars(protocol).items() if callable(method) and not name.startswith("_")]

    def check(_instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if isinstance(value, type):
            raise TypeError(f"{attribute.name} must be an instance, not the class {value.__name__}{_instead(write)}")
        if missing := [name for name in methods if not callable(getattr(value, name, None))]:
            what = f"{attribute.name} must be a {protocol.__name__}, and {type(value).__name__} has no "
            more = " and others" if len(missing) > MOST_NAMED else ""
            raise TypeError(f"{what}{', '.join(missing[:MOST_NAMED])}{more}{_instead(write)}")

    return check


def one_of(*words: str) -> Validator:
    """Raises `ValueError` that names the attribute and all that it may be."""

    def check(_instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if value not in words:
            raise ValueError(f"{attribute.name} must be one of {', '.join(map(repr, words))}")

    return check


def _instead(write: str) -> str:
    return f"; write {write}" if write else ""
