"""Pictures of a terminal on which commands look at a running daemon: SVG files, light or dark as their viewer is."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS: Final = 100
COMMANDS: Final = {"terminal-list": ("list",), "terminal-show": ("show", "prices-accra")}
MARGIN: Final = 12
READ_BYTES: Final = 65_536

# Paper and ink; then black, red, green and yellow, which is all that the commands use.
LIGHT: Final = TerminalTheme((246, 248, 250), (36, 41, 47), [(36, 41, 47), (176, 32, 44), (17, 99, 41), (125, 78, 0)])
DARK: Final = TerminalTheme(
    (22, 27, 34), (225, 228, 232), [(72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65)]
)


def take(address: str, folder: Path) -> None:
    """What each command shows of the daemon whose admin server is at `address`. Prints the names of the files."""
    for name, arguments in COMMANDS.items():
        file = folder / f"{name}.svg"
        file.write_text(drawn(f"\x1b[1m$ nexo-poller {' '.join(arguments)}\x1b[0m\n{shown(arguments, address)}"))
        print(file)


def shown(arguments: tuple[str, ...], address: str) -> str:
    """All that a terminal gets to show by the command, colours included."""
    ours, its = pty.openpty()
    surroundings = {**os.environ, "NEXO_POLLER_ADMIN": address, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    argv = [sys.executable, "-m", "nexo_poller", *arguments]
    with subprocess.Popen(  # noqa: S603 - the command of this very package
        argv, stdin=subprocess.DEVNULL, stdout=its, env=surroundings
    ) as command:
        os.close(its)
        told = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    if command.returncode:
        sys.exit(f"{argv} failed")
    return told.decode().replace("\r\n", "\n").rstrip()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, READ_BYTES)
    except OSError:  # which is how Linux tells that nobody shows anything more
        return b""


def drawn(text: str) -> str:
    """The text, with its ANSI colours, as an SVG file. Unlike rich's own it has two themes, and no font of another host."""
    console = Console(width=COLUMNS, file=io.StringIO(), record=True, highlight=False)
    console.print(Text.from_ansi(text), overflow="fold")

    def part(form: str, theme: TerminalTheme = LIGHT) -> str:
        return console.export_svg(theme=theme, code_format=form, unique_id="t", clear=False)

    width, height = (float(part(side)) + 2 * MARGIN for side in ("{terminal_width}", "{terminal_height}"))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">
<style>
.t-matrix {{ font-family: ui-monospace, monospace; font-size: {part("{char_height}")}px; }}
.paper {{ fill: {LIGHT.background_color.hex}; }}
{part("{styles}")}
@media (prefers-color-scheme: dark) {{
.paper {{ fill: {DARK.background_color.hex}; }}
{part("{styles}", DARK)}
}}
</style>
<defs>{part("{lines}")}</defs>
<rect class="paper" width="100%" height="100%" rx="8"/>
<g class="t-matrix" transform="translate({MARGIN}, {MARGIN})">
{part("{matrix}").replace("</text>", "</text>" + chr(10))}</g>
</svg>
"""
