"""What commands print: tables, facts and JSON, for a terminal or for a pipe, and nothing that a terminal would obey."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Final, Literal

import click
from attrs import frozen
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nexo_poller.logs import escape

Cell = str | Text
BETWEEN: Final = "  "
ROOM_FOR_WORDS: Final = 30  # in narrower columns they are hard to read


@frozen
class Column:
    """A column of a table. A `flexible` one gives way on a terminal, or goes below the others where there is no room."""

    title: str
    justify: Literal["left", "right"] = "left"
    flexible: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, if_empty: str) -> None:
    """A table on stdout, drawn by rich on a terminal that is wide enough, elsewhere in aligned columns below their titles.

    Where there are no rows, a terminal is told `if_empty`.
    """
    if not is_terminal():
        for line in plain_lines(columns, rows):
            click.echo(line)
    elif not rows:
        click.echo(if_empty)
    elif (console := _console()).width >= _width_needed(columns, rows):
        console.print(_drawn(columns, rows))
    else:
        for line in stacked_lines(columns, rows):
            click.echo(line)


def print_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Names and what they stand for, a line each; the further lines of a text stand below its first."""
    width = max(cell_len(name) for name, _ in facts)
    console = _console()
    for name, cell in facts:
        lines: list[Cell] = [cell] if isinstance(cell, Text) else [*cell.split("\n")]
        names = (name, *repeat("", len(lines) - 1))
        for title, line in zip(names, lines, strict=True):
            console.print(Text.assemble((title.ljust(width), "bold"), BETWEEN, _harmless(line)), soft_wrap=True)


def is_terminal() -> bool:
    """Whether stdout is one; it may also have been closed before we came."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_json(value: Any) -> None:
    """`value` as one line of JSON in ASCII."""
    click.echo(json.dumps(value).replace("\x7f", "\\u007f"))


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """The table without any drawing: a line for the titles, and one for each row."""
    lines = [[column.title for column in columns], *([_harmless(cell).plain for cell in row] for row in rows)]
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        padded = map(_padded, columns, line, widths)
        yield BETWEEN.join(padded).rstrip()


def stacked_lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """The table for a narrow terminal: what is in flexible columns stands below its row."""
    firm = [n for n, column in enumerate(columns) if not column.flexible]
    titles, *lines = plain_lines([columns[n] for n in firm], [[row[n] for n in firm] for row in rows])
    yield titles
    for line, row in zip(lines, rows, strict=True):
        yield line
        for column, cell in zip(columns, row, strict=True):
            if column.flexible and (text := _harmless(cell).plain):
                yield f"{BETWEEN * 2}{text}"


def _console() -> Console:
    return Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")


def _width_needed(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    firm = [
        max(cell_len(column.title), *(cell_len(_harmless(cell).plain) for cell in cells)) + len(BETWEEN)
        for column, *cells in zip(columns, *rows, strict=True)
        if not column.flexible
    ]
    return sum(firm) + ROOM_FOR_WORDS * (len(columns) - len(firm))


def _padded(column: Column, text: str, width: int) -> str:
    room = " " * (width - cell_len(text))
    return room + text if column.justify == "right" else text + room


def _drawn(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column.title, justify=column.justify, no_wrap=not column.flexible, overflow="fold")
    for row in rows:
        table.add_row(*map(_harmless, row))
    return table


def _harmless(cell: Cell) -> Text:
    """The cell on one line, its control characters visible; never taken for rich's markup."""
    return Text(escape(cell.plain), cell.style) if isinstance(cell, Text) else Text(escape(cell))
