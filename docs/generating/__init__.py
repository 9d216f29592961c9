"""What the reference shows, made of the code, so that the one cannot differ from the other.

A page says `<!-- generated: cli -->` where it wants what `generating.cli.markdown()` returns; further words are arguments.
"""

import re
from importlib import import_module
from typing import Any, Final

MARK: Final = re.compile(r"^<!-- generated: (\w+)(.*) -->$", re.MULTILINE)


def fill_in(_app: Any, _page: str, content: list[str]) -> None:
    """Replace the marks of a page that Sphinx has just read (its event `source-read`)."""
    content[0] = MARK.sub(_made, content[0])


def _made(mark: "re.Match[str]") -> str:
    made: str = import_module(f"generating.{mark[1]}").markdown(*mark[2].split())
    return made
