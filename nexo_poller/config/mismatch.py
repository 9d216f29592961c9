"""Values of the wrong type, in the words of people who write YAML."""

from collections.abc import Mapping
from typing import Any, Final

NO_QUOTES: Final = "write it without quotes; ${…} always gives text"
LONGEST_SHOWN: Final = 60  # a longer text is not cut, because half a secret is not masked


class MismatchError(ValueError):
    """A value is not of the type it should be. `expected` reads on from "must be"."""

    def __init__(self, expected: str, value: Any, remedy: str = "") -> None:
        super().__init__(f"must be {expected}, not {describe(value)}")
        self.expected = expected
        self.remedy = remedy


def describe(value: Any) -> str:
    """`value` in a few words, for people who wrote YAML."""
    match value:
        case None:
            words = "empty"
        case bool():
            words = str(value).lower()
        case int() | float():
            words = f"the number {value}"
        case str():
            words = f"the text '{value}'" if len(value) <= LONGEST_SHOWN else f"a text of {len(value)} characters"
        case Mapping():
            words = "a mapping"
        case list() | tuple():
            words = "a list"
        case _:
            words = f"a {type(value).__name__}"
    return words
