"""What a program wrote to its stderr: the last lines of it, and those that a log may have. Pure.

It is the program's own text and may hold secrets, which are taken out where it is shown. A cut would hide them from the
mask, so cuts are made between words alone.
"""

from collections import deque
from collections.abc import Iterator

from attrs import define, field

LINES_KEPT = 32
LONGEST_KEPT = 2_000  # characters of a line
LONGEST_TOLD = 700  # characters in an error, of which 1,000 are kept
LINES_AT_ONCE = 32
LINES_PER_SECOND = 5


@define(eq=False)
class LastWords:
    """The last 32 lines of a stream, however much comes."""

    lines: deque[str] = field(factory=lambda: deque(maxlen=LINES_KEPT), init=False)
    _begun: bytes = field(default=b"", init=False)

    def add(self, chunk: bytes | bytearray) -> Iterator[str]:
        """Keep what comes next; the lines that it has ended, but for empty ones."""
        *ended, begun = (self._begun + bytes(chunk)).split(b"\n")
        self._begun = begun[: LONGEST_KEPT * 4 + 1]  # one more than a character takes, so that the cut shows
        for line in ended:
            yield from self._kept(line)

    def end(self) -> Iterator[str]:
        """Keep what came last, though no line's end did; that line, if there is one."""
        yield from self._kept(self._begun)
        self._begun = b""

    def _kept(self, line: bytes) -> Iterator[str]:
        if words := cut(line.decode("utf-8", "replace").strip(), LONGEST_KEPT):
            self.lines.append(words)
            yield words

    def __str__(self) -> str:
        """As many of the last lines as an error has room for, joined by ` | `."""
        told: deque[str] = deque()
        room = LONGEST_TOLD
        for line in reversed(self.lines):
            told.appendleft(cut(line, LONGEST_TOLD))
            room -= len(told[0])
            if room < 0 and len(told) > 1:
                told.popleft()
                break
        return " | ".join(told)


def cut(text: str, longest: int) -> str:
    """`text`, or the whole words at its beginning that `longest` characters hold, and an ellipsis."""
    return text if len(text) <= longest else f"{text[:longest].rpartition(' ')[0]} …"


@define(eq=False)
class Ration:
    """Lets some of many lines through: 32 at once, then 5 a second."""

    _left: float = field(default=LINES_AT_ONCE, init=False)
    _at: float = field(default=0.0, init=False)
    _withheld: int = field(default=0, init=False)

    def granted(self, line: str, now: float) -> str | None:
        """`line`, with how many were withheld before it; None if it is withheld. `now` is in seconds, since any moment."""
        self._left = min(LINES_AT_ONCE, self._left + (now - self._at) * LINES_PER_SECOND)
        self._at = now
        if self._left < 1:
            self._withheld += 1
            return None
        self._left -= 1
        withheld, self._withheld = self._withheld, 0
        return f"{line} ({withheld:,} lines before it are left out)" if withheld else line
