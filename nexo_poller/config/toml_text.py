"""TOML as plain values, and where in it each of them stands."""

import re
import tomllib
from collections.abc import Iterator
from typing import Final

from attrs import define, field

from nexo_poller.config.document import Document, LineMap, Place, unreadable
from nexo_poller.config.problems import Key
from nexo_poller.errors import Problem

PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
DOTTED: Final = rf"{PART}(?:[ \t]*\.[ \t]*{PART})*"
LINE: Final = re.compile(
    rf"^(?P<indent>[ \t]*)(?:\[\[?[ \t]*(?P<table>{DOTTED})[ \t]*\]|(?P<key>{DOTTED})[ \t]*=[ \t]*)", re.MULTILINE
)
AT: Final = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def parse_toml(text: str, name: str) -> Document:
    """The document. Whatever keeps the text from being TOML is the one problem of a document without a value."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return unreadable(name, _problem(str(error), text, name))
    except RecursionError:
        what, remedy = "it is nested too deeply", "make it flatter"
        return unreadable(name, Problem(what=what, remedy=remedy, where=f"{name}:1:1"))
    return Document(value=value, lines=LineMap(name, _places(text).frozen()))


def _problem(said: str, text: str, name: str) -> Problem:
    at = AT.search(said)
    line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    if at and at["line"]:
        line, column = int(at["line"]), int(at["column"])
    what = f"it is no TOML: {AT.sub('', said)}"
    return Problem(what=what, remedy="see https://toml.io", where=f"{name}:{line}:{column}")


@define(eq=False)
class _Node:
    """A table or a value on the way to its `Place`: of all the places that it is mentioned at, the first."""

    line: int = 1
    column: int = 1
    key_column: int = 1
    parts: "dict[str | int, _Node]" = field(factory=dict)

    def frozen(self) -> Place:
        parts = {key: part.frozen() for key, part in self.parts.items()}
        return Place(self.line, self.column, self.line, self.key_column, parts)


def _places(text: str) -> _Node:
    """The places of tables and keys, found line by line: a text of several lines may look like keys, which hurts nobody."""
    root = _Node()
    table: Key = ()
    for line, key_column, column, is_table, key in _mentioned(text):
        under = () if is_table else table
        node = root
        for step in (*under, *key):
            node = node.parts.setdefault(step, _Node(line, column, key_column))
        if is_table:
            table = key
    return root


def _mentioned(text: str) -> Iterator[tuple[int, int, int, bool, Key]]:
    """Line, column of the key, column of the value, whether it begins a table, and the key."""
    line = passed = 0
    for match in LINE.finditer(text):
        line += text.count("\n", passed, match.start())
        passed = match.start()
        key_column = len(match["indent"]) + 1
        is_table = match["table"] is not None
        column = key_column if is_table else match.end() - match.start() + 1
        yield line + 1, key_column, column, is_table, _steps(match["table"] if is_table else match["key"])


def _steps(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in re.findall(PART, dotted))
