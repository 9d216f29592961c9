import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.plugins.last_words import LONGEST_KEPT, LONGEST_TOLD, LastWords, Ration, cut

SECRET = "s3cr3t-token-of-ana"


def words_of(*chunks: bytes) -> LastWords:
    words = LastWords()
    for chunk in chunks:
        [*words.add(chunk)]
    [*words.end()]
    return words


def test_the_last_32_lines_are_kept() -> None:
    words = words_of(b"".join(b"line %d\n" % n for n in range(100)))
    assert [*words.lines] == [f"line {n}" for n in range(68, 100)]


def test_a_line_that_does_not_end_takes_no_memory() -> None:
    words, chunk = LastWords(), b"x" * 65_536
    tracemalloc.start()
    for _ in range(100):
        assert [*words.add(chunk)] == []
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < len(chunk)


@given(st.lists(st.binary(max_size=6)))
def test_lines_are_the_same_however_they_come(chunks: list[bytes]) -> None:
    assert [*words_of(*chunks).lines] == [*words_of(b"".join(chunks)).lines]


def test_an_error_tells_as_many_of_the_last_lines_as_it_has_room_for() -> None:
    long = "x" * (LONGEST_TOLD // 2)
    assert str(words_of(b"one\ntwo\n")) == "one | two"
    assert str(words_of(f"{long}\n{long}\nlast\n".encode())) == f"{long} | last"
    assert str(words_of(f"{long}\n{'y ' * LONGEST_TOLD}".encode())) == "y " * (LONGEST_TOLD // 2 - 1) + "y …"


@given(st.integers(LONGEST_TOLD - len(SECRET) - 1, LONGEST_TOLD), st.sampled_from(["", " "]))
def test_a_cut_leaves_no_part_of_a_secret_that_a_mask_would_not_know(before: int, space: str) -> None:
    line = f"{'x' * before}{space}{SECRET} and more {'y ' * LONGEST_KEPT}"
    for told in (str(words_of(line.encode())), cut(line, LONGEST_TOLD)):
        assert SECRET[:6] not in told.replace(SECRET, "***")


def test_of_a_flood_32_lines_are_granted_at_once_and_then_five_a_second() -> None:
    ration = Ration()
    granted = [ration.granted(f"line {n}", now=1000.0) for n in range(100)]
    assert granted[:32] == [f"line {n}" for n in range(32)]
    assert not any(granted[32:])
    assert ration.granted("later", now=1000.1) is None
    assert ration.granted("later", now=1000.2) == "later (69 lines before it are left out)"
    assert ration.granted("later", now=1000.3) is None
    assert ration.granted("much later", now=2000.0) == "much later (1 lines before it are left out)"
