"""The members of a JSON object from another program, by the types that they must have."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from attrs import field, frozen

T = TypeVar("T")
NAMES: Final[Mapping[type, str]] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}
LARGEST: Final = 2**32 - 1  # sums of such numbers over all ticks fit into 64 bits


class WrongMember(ValueError):
    """A member is not what it should be. The message names it, by its path, and never shows what stood there."""

    def __init__(self, member: str, what: str) -> None:
        super().__init__(f"`{member}` {what}")
        self.member = member


@frozen
class Members:
    """The object at `path`. A member that is null is missing, as programs in many languages write it.

    Methods raise `WrongMember` for a member of another type; those without `_or_none` for a missing one, too.
    """

    path: str
    values: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, path: str, value: object) -> "Members":
        """The members of `value`. Raises `WrongMember` if it is no object."""
        return cls(path, _typed(path, value, dict, "an object"))

    def has(self, name: str) -> bool:
        """Whether there is such a member."""
        return self.values.get(name) is not None

    def text(self, name: str) -> str:
        """A string."""
        return _typed(self.path_of(name), self.values.get(name), str, "a string")

    def text_or_none(self, name: str) -> str | None:
        """A string."""
        return self.text(name) if self.has(name) else None

    def whole_number(self, name: str) -> int:
        """A whole number of any size."""
        return _typed(self.path_of(name), self.values.get(name), int, "a whole number")

    def amount_or_none(self, name: str) -> int | None:
        """A whole number from 0 to `LARGEST`."""
        if not self.has(name):
            return None
        number = self.whole_number(name)
        if not 0 <= number <= LARGEST:
            raise WrongMember(self.path_of(name), f"must be from 0 to {LARGEST}")
        return number

    def object(self, name: str) -> "Members":
        """An object."""
        return Members.of(self.path_of(name), self.values.get(name))

    def objects(self, name: str) -> list["Members"]:
        """An array of objects; without one, none."""
        if not self.has(name):
            return []
        path = self.path_of(name)
        return [
            Members.of(f"{path}[{n}]", item) for n, item in enumerate(_typed(path, self.values[name], list, "an array"))
        ]

    def texts(self, name: str) -> list[str]:
        """An array of strings."""
        path = self.path_of(name)
        items = _typed(path, self.values.get(name), list, "an array")
        return [_typed(f"{path}[{n}]", item, str, "a string") for n, item in enumerate(items)]

    def path_of(self, name: str) -> str:
        """How errors call a member."""
        return f"{self.path}.{name}"


def _typed(member: str, value: object, type_: type[T], expected: str) -> T:
    if value is None:
        raise WrongMember(member, f"is missing, and must be {expected}")
    if type(value) is not type_:  # what JSON becomes has no subclasses but bool, which is no number
        found = "a number with a fraction" if isinstance(value, float) else NAMES.get(type(value), "of another type")
        raise WrongMember(member, f"must be {expected}, not {found}")
    return value
