"""What commands print: tables, facts and JSON, for a terminal or for a pipe, and nothing that a terminal would obey."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, Literal

import click
from attrs import frozen
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from nexo_poller.logs import escape

Cell = str | Text
BETWEEN: Final = "  "
BELOW: Final = 4  # columns by which a text stands in from the row above it


@frozen
class Column:
    """A column of a table.

    Where a terminal is too narrow for all, the texts of `flexible` columns go below their row; then columns are left
    out, from the highest `rank` down. Those of rank 0 are always there, and whole.
    """

    title: str
    justify: Literal["left", "right"] = "left"
    flexible: bool = False
    rank: int = 0


def colours() -> Literal["auto"] | None:
    """What rich is to draw with: nothing at all where NO_COLOR is set (https://no-color.org), bold letters included."""
    return None if os.environ.get("NO_COLOR") else "auto"


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, if_empty: str) -> None:
    """A table on stdout: on a terminal as it fits, elsewhere in aligned columns below their titles.

    Where there are no rows, a terminal is told `if_empty`.
    """
    if not is_terminal():
        for line in plain_lines(columns, rows):
            click.echo(line)
    elif rows:
        console = Console(highlight=False, color_system=colours())
        for part in _drawn(columns, [[_harmless(cell) for cell in row] for row in rows], console.width):
            # A Text is one line, which the terminal itself continues if an id is wider than all of it.
            console.print(part, soft_wrap=isinstance(part, Text))
    else:
        click.echo(if_empty)


def print_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Names and what they stand for, a line each; the further lines of a text stand below its first."""
    width = max(cell_len(name) for name, _ in facts)
    console = Console(highlight=False, soft_wrap=True, force_terminal=is_terminal(), color_system=colours())
    for name, cell in facts:
        lines: list[Cell] = [cell] if isinstance(cell, Text) else [*cell.split("\n")]
        names = (name, *repeat("", len(lines) - 1))
        for title, line in zip(names, lines, strict=True):
            console.print(Text.assemble((title.ljust(width), "bold"), BETWEEN, _harmless(line)))


def is_terminal() -> bool:
    """Whether stdout is one; it may also have been closed before we came."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_json(value: Any) -> None:
    """`value` as one line of JSON in ASCII."""
    click.echo(json.dumps(value).replace("\x7f", "\\u007f"))


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """The table without any drawing: a line for the titles, and one for each row."""
    lines = [[Text(column.title) for column in columns], *([_harmless(cell) for cell in row] for row in rows)]
    widths = _widths(columns, lines)
    for line in lines:
        yield _joined(columns, line, widths).plain


def _drawn(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> Iterator[RenderableType]:
    """The table for a terminal of this width."""
    widths = dict(zip(columns, _widths(columns, rows), strict=True))
    beside = _fitting(widths, width)
    shown = [widths[column] for column in beside]
    yield _joined(beside, [Text(column.title, "bold") for column in beside], shown)
    yield Text("─" * min(_total(shown), width))
    for row in rows:
        cells = dict(zip(columns, row, strict=True))
        yield _joined(beside, [cells[column] for column in beside], shown)
        for column, cell in cells.items():
            if column.flexible and column not in beside and cell:
                yield Padding.indent(Text.assemble((column.title, "dim"), BETWEEN, cell), BELOW)


def _fitting(widths: Mapping[Column, int], width: int) -> Sequence[Column]:
    """The columns that stand beside each other on a terminal of this width."""
    beside = [*widths]
    if _total(widths.values()) > width:
        beside = [column for column in beside if not column.flexible]
    for column in sorted(filter(attrgetter("rank"), beside), key=attrgetter("rank"), reverse=True):
        if _total(widths[shown] for shown in beside) <= width:
            break
        beside.remove(column)
    return beside


def _total(widths: Iterable[int]) -> int:
    return sum(width + len(BETWEEN) for width in widths) - len(BETWEEN)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> Sequence[int]:
    return [max(map(cell_len, (column.title, *(row[n].plain for row in rows)))) for n, column in enumerate(columns)]


def _joined(columns: Sequence[Column], cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text(BETWEEN).join(map(_padded, columns, cells, widths))
    line.rstrip()
    return line


def _padded(column: Column, cell: Text, width: int) -> Text:
    room = " " * (width - cell.cell_len)
    return Text.assemble(room, cell) if column.justify == "right" else Text.assemble(cell, room)


def _harmless(cell: Cell) -> Text:
    """The cell on one line, its control characters visible; never taken for rich's markup."""
    return Text(escape(cell.plain), cell.style) if isinstance(cell, Text) else Text(escape(cell))
