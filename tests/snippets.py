"""The snippets of the documentation: every fenced block of a page, and what a mark above it says of it.

A mark is an HTML comment on the line before the block, which readers do not see:

    <!-- file: weather/poller.py -->    it is this file, and is written where its page is followed
    <!-- exits: 1 -->                   its last command exits with this status
    <!-- background: serving -->        it goes on running once it has said this, until its page ends
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import evolve, field, frozen
from attrs.validators import min_len
from command import ROOT

FENCE: Final = re.compile(
    r"^(?:<!-- (?P<mark>file|exits|background): (?P<value>\S[^\n]*) -->\n)?"
    r"^(?P<ticks>```+)(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)
NOT_PROGRAMS: Final = {"text", "mermaid"}  # pictures, and what programs print
NOT_RUN: Final = ROOT / "docs" / "snippets-not-run.toml"


@frozen(kw_only=True)
class Snippet:
    """A fenced block of a page. `line` is the one of its opening fence."""

    page: str
    line: int
    language: str
    code: str
    marks: Mapping[str, str] = field(factory=dict)

    @property
    def where(self) -> str:
        """For messages: page and line."""
        return f"{self.page}:{self.line}"


@frozen(kw_only=True)
class NotRun:
    """A snippet, or a command in one, that no test can run, and why."""

    page: str
    code: str = field(validator=min_len(1))
    reason: str = field(validator=min_len(20))


def pages() -> list[str]:
    """Every page that people read, as a path in the repository."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(str(page.relative_to(ROOT)) for page in found)


def snippets(page: str) -> list[Snippet]:
    """The snippets of a page from top to bottom, but for directives of the site and what is no program."""
    text = ROOT.joinpath(page).read_text()
    return [
        Snippet(
            page=page,
            line=text.count("\n", 0, found.start("ticks")) + 1,
            language=found["language"],
            code=found["code"],
            marks={found["mark"]: found["value"]} if found["mark"] else {},
        )
        for found in FENCE.finditer(text)
        if found["mark"] or (found["language"] not in NOT_PROGRAMS and not found["language"].startswith("{"))
    ]


def not_run() -> list[NotRun]:
    """What docs/snippets-not-run.toml lists."""
    return [NotRun(**entry) for entry in tomllib.loads(NOT_RUN.read_text())["snippet"]]


def to_run(page: str) -> Iterator[Snippet]:
    """The snippets of a page, without those, and without those lines, that are listed as not run."""
    listed = {entry.code.strip() for entry in not_run() if entry.page == page}
    for snippet in snippets(page):
        if snippet.code.strip() not in listed:
            lines = [line for line in snippet.code.splitlines(keepends=True) if line.strip() not in listed]
            yield evolve(snippet, code="".join(lines))
