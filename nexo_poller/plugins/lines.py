"""The lines in a stream of bytes, none of them longer than agreed. Pure."""

from attrs import define, field

LONGEST_LINE = 4 * 2**20


class LineTooLong(Exception):
    """There were `LONGEST_LINE` bytes without a line's end; where the next line begins is anybody's guess."""

    def __init__(self) -> None:
        super().__init__(f"a line of more than {LONGEST_LINE:,} bytes")


@define(eq=False)
class Lines:
    """What has been received and not been taken: at most one long line and the last chunk."""

    _received: bytearray = field(factory=bytearray, init=False)
    _searched: int = field(default=0, init=False)

    def add(self, chunk: bytes | bytearray) -> None:
        """Put what comes next behind the rest."""
        self._received += chunk

    def take(self) -> bytes | None:
        r"""The next whole line without its `\n`; None if it is not all here yet. Raises `LineTooLong`."""
        end = self._received.find(b"\n", self._searched)
        if (end if end >= 0 else len(self._received)) > LONGEST_LINE:
            raise LineTooLong
        if end < 0:
            self._searched = len(self._received)
            return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        self._searched = 0
        return line

    def rest(self) -> bytes:
        """What stands behind the last line's end, which may be a line that was not ended."""
        rest = bytes(self._received)
        self._received.clear()
        self._searched = 0
        return rest
