"""Values out of YAML events, one event after the other, so that nothing in a file can make them explode.

A hostile file meets limits before it costs anything: on depth, and on the number of values that it stands for once its
aliases are followed. An alias shares the value of its anchor and points to the anchor's lines. Whatever is not fatal is
noted as a problem, and the rest goes on.
"""

import re
from typing import Any, Final

from attrs import define, field, frozen
from ruamel.yaml.error import StringMark
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from nexo_poller.config.document import START, Place
from nexo_poller.config.problems import Key
from nexo_poller.config.scalars import NotFiniteError, resolve
from nexo_poller.errors import ConfigError, Problem

MAX_VALUES: Final = 1_000_000
MAX_DEPTH: Final = 50
TEXT_TAGS: Final = (None, "!", "tag:yaml.org,2002:str")
SURROGATE: Final = re.compile("[\ud800-\udfff]")
MERGE: Final = "<<"


@frozen
class Node:
    """A complete value. `size`: how many values it stands for; `depth`: the levels of mappings and lists in it."""

    value: Any
    place: Place
    size: int = 1
    depth: int = 0


@frozen
class _Name:
    """A mapping's key whose value comes next. `text` None: it cannot be used, nor can its value."""

    text: str | None
    place: Place
    is_merge: bool = False


@define(eq=False)
class _Open:
    """A mapping or list that is not complete yet."""

    start: NodeEvent
    value: dict[str, Any] | list[Any]
    parts: dict[str | int, Place] = field(factory=dict)
    name: _Name | None = None
    merges: list[Node] = field(factory=list)
    size: int = 1
    depth: int = 1


@define(eq=False)
class Builder:
    """`take` every event of a file; then `root` is its value. `file` is the path that places begin with."""

    file: str
    problems: list[Problem] = field(factory=list, init=False)
    root: Node = field(default=Node(None, START), init=False)
    _open: list[_Open] = field(factory=list, init=False)
    _anchors: dict[str, Node | None] = field(factory=dict, init=False)  # None: its value is still open
    _documents: int = field(default=0, init=False)
    _values: int = field(default=0, init=False)

    def take(self, event: Any) -> None:
        """Go on by one event. Raises `ConfigError` where going on makes no sense."""
        match event:
            case ScalarEvent():
                self._take_scalar(event)
            case MappingStartEvent():
                self._begin(event, {})
            case SequenceStartEvent():
                self._begin(event, [])
            case MappingEndEvent() | SequenceEndEvent():
                self._end()
            case AliasEvent():
                self._take_alias(event)
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._fatal("a second document begins here", "remove the line ---", event.start_mark)

    def _take_scalar(self, event: ScalarEvent) -> None:
        self._check_tag(event)
        value = event.value
        if event.style is None and event.tag is None:
            if value == MERGE and self._open and self._open[-1].name is None and isinstance(self._open[-1].value, dict):
                self._open[-1].name = _Name(None, _place(event.start_mark), is_merge=True)
                return
            value = self._resolved(event)
        elif SURROGATE.search(value):
            value = self._joined(event)
        self._add(Node(value, _place(event.start_mark)), event)

    def _joined(self, event: ScalarEvent) -> str:
        """The text, with the pairs of escapes that JSON writes made into characters."""
        try:
            return str(event.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._report("half of a pair of \\u escapes is no character", "write the character", event.start_mark)
            return ""

    def _resolved(self, event: ScalarEvent) -> str | int | float | bool | None:
        try:
            return resolve(event.value)
        except NotFiniteError as error:
            self._report(
                f"{error} is not a finite number", "write a number, or quote it to make it text", event.start_mark
            )
            return None

    def _begin(self, event: NodeEvent, empty: dict[str, Any] | list[Any]) -> None:
        self._check_tag(event)
        self._check_depth(1, event.start_mark)
        self._open.append(_Open(event, empty))
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _end(self) -> None:
        whole = self._open.pop()
        if isinstance(whole.value, dict):
            for source in whole.merges:  # the mapping's own entries win, then those of the first source
                for name, value in source.value.items():
                    if name not in whole.value:
                        whole.value[name] = value
                        whole.parts[name] = (source.place.parts or {})[name]
        place = _place(whole.start.start_mark)._replace(parts=whole.parts)
        self._add(Node(whole.value, place, whole.size, whole.depth), whole.start)

    def _take_alias(self, event: AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise self._fatal(f"no anchor &{event.anchor} stands above this", "correct the name", event.start_mark)
        node = self._anchors[event.anchor]
        if node is None:
            raise self._fatal(f"*{event.anchor} is used inside itself", "write the value out", event.start_mark)
        self._check_depth(node.depth, event.start_mark)
        self._count(node.size, event.start_mark)
        self._put(node, event.start_mark)

    def _add(self, node: Node, source: NodeEvent) -> None:
        """Put a value that stands here for the first time."""
        self._count(1, source.start_mark)
        if source.anchor is not None:
            self._anchors[source.anchor] = node
        self._put(node, source.start_mark)

    def _put(self, node: Node, mark: StringMark) -> None:
        """Put a value where the next one belongs."""
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if isinstance(parent.value, list):
            parent.parts[len(parent.value)] = node.place
            parent.value.append(node.value)
        elif parent.name is None:
            parent.name = self._name(node, parent.value, parent.parts, mark)
        else:
            self._put_named(node, parent, parent.name, mark)
            parent.name = None

    def _name(self, node: Node, value: dict[str, Any], parts: dict[str | int, Place], mark: StringMark) -> _Name:
        if not isinstance(node.value, str):
            self._report("a key must be text", "put it in quotes", mark, str(node.value))
        elif node.value in value:
            first = parts[node.value].key_line
            self._report(f"the key '{node.value}' is here twice, first on line {first}", "remove one", mark, node.value)
        else:
            return _Name(node.value, _place(mark))
        return _Name(None, _place(mark))

    def _put_named(self, node: Node, parent: _Open, name: _Name, mark: StringMark) -> None:
        if name.is_merge:
            self._merge(node, parent, mark)
        elif name.text is not None and isinstance(parent.value, dict):
            parent.value[name.text] = node.value
            parent.parts[name.text] = node.place._replace(key_line=name.place.line, key_column=name.place.column)

    def _merge(self, node: Node, parent: _Open, mark: StringMark) -> None:
        sources = [node]
        if isinstance(node.value, list):
            sources = [
                Node(value, place) for value, place in zip(node.value, (node.place.parts or {}).values(), strict=True)
            ]
        if all(isinstance(source.value, dict) for source in sources):
            parent.merges += sources
        else:
            self._report("<< merges mappings, and this is none", "name the anchor of a mapping", mark)

    def _check_tag(self, event: Any) -> None:
        if event.tag not in TEXT_TAGS:
            self._report(
                f"the tag {event.tag} means nothing here", "remove it; quotes make a value text", event.start_mark
            )

    def _check_depth(self, levels: int, mark: StringMark) -> None:
        if len(self._open) + levels > MAX_DEPTH:
            raise self._fatal("mappings and lists are nested too deeply", f"{MAX_DEPTH} levels are the limit", mark)

    def _count(self, values: int, mark: StringMark) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            what = f"the file stands for more than {MAX_VALUES:,} values"
            raise self._fatal(what, "use fewer aliases, or aliases of smaller values", mark)

    def _report(self, what: str, remedy: str, mark: StringMark, *last_step: str) -> None:
        where = f"{self.file}:{mark.line + 1}:{mark.column + 1}"
        self.problems.append(Problem(what=what, remedy=remedy, key=(*self._key(), *last_step), where=where))

    def _key(self) -> Key:
        """The path of the value that comes next."""
        steps: list[str | int] = []
        for parent in self._open:
            if isinstance(parent.value, list):
                steps.append(len(parent.value))
            elif parent.name is not None and parent.name.text is not None:
                steps.append(parent.name.text)
            else:
                break
        return tuple(steps)

    def _fatal(self, what: str, remedy: str, mark: StringMark) -> ConfigError:
        return ConfigError(Problem(what=what, remedy=remedy, where=f"{self.file}:{mark.line + 1}:{mark.column + 1}"))


def _place(mark: StringMark) -> Place:
    line, column = mark.line + 1, mark.column + 1
    return Place(line, column, line, column)
