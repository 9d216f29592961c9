"""A file as plain values, and where in it each of them stands."""

import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple

from attrs import define, field, frozen

from nexo_poller.config.problems import Key, KeyItself
from nexo_poller.errors import Problem


class Place(NamedTuple):
    """Where a value starts, where its key does (of a list's item: the same), and the places of its parts. 1-based.

    A tuple, because a big file has a hundred thousand of them and they cross a pipe.
    """

    line: int
    column: int
    key_line: int
    key_column: int
    parts: "Mapping[str | int, Place] | None" = None


START = Place(1, 1, 1, 1)


@define(eq=False)
class LineMap:
    """The places in the file `name`. Those of a big file stay packed until somebody asks, which is when it has faults."""

    name: str
    _root: Place | bytes = field(default=START, repr=False)

    def where(self, key: Key) -> str:
        """`name:line:column`, 1-based, of the value under `key`, or of the nearest thing around it."""
        place = self._unpacked()
        for step in key:
            if not place.parts or step not in place.parts:
                break
            place = place.parts[step]
            if isinstance(step, KeyItself):
                return f"{self.name}:{place.key_line}:{place.key_column}"
        return f"{self.name}:{place.line}:{place.column}"

    def packed(self) -> "LineMap":
        """The same in a tenth of the memory."""
        return LineMap(self.name, pickle.dumps(self._unpacked(), protocol=pickle.HIGHEST_PROTOCOL))

    def _unpacked(self) -> Place:
        if isinstance(self._root, bytes):
            root: Place = pickle.loads(self._root)  # noqa: S301 - `packed` wrote it
            self._root = root
        return self._root


@frozen(kw_only=True)
class Document:
    """`value` is made of dict, list, str, int, float, bool and None. `problems` are those of the YAML itself, placed.

    `fingerprint` is that of the file's content.
    """

    value: Any = None
    lines: LineMap
    problems: tuple[Problem, ...] = ()
    fingerprint: str = ""


def unreadable(name: str, *problems: Problem) -> Document:
    """The document of a file that gives no value; `problems` say why."""
    return Document(lines=LineMap(name), problems=problems)
