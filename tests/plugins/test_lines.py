import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.plugins.lines import LONGEST_LINE, Lines, LineTooLong


@given(st.lists(st.binary(max_size=8)))
def test_lines_are_the_same_however_they_come(chunks: list[bytes]) -> None:
    lines, taken = Lines(), []
    for chunk in chunks:
        lines.add(chunk)
        while (line := lines.take()) is not None:
            taken.append(line)
    assert [*taken, lines.rest()] == b"".join(chunks).split(b"\n")


def test_a_line_may_have_four_megabytes_and_not_a_byte_more() -> None:
    lines = Lines()
    lines.add(b"x" * LONGEST_LINE)
    assert lines.take() is None
    lines.add(b"\nshort\n")
    assert lines.take() == b"x" * LONGEST_LINE
    lines.add(b"x" * LONGEST_LINE)
    assert lines.take() == b"short"
    lines.add(b"x")
    with pytest.raises(LineTooLong):
        lines.take()


def test_a_line_too_long_is_refused_even_if_it_has_an_end() -> None:
    lines = Lines()
    lines.add(b"x" * (LONGEST_LINE + 1) + b"\n")
    with pytest.raises(LineTooLong):
        lines.take()
