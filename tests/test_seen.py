from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.seen import SMALLEST_RING, Choice, FirstTick, Seen, choose, digest

names = st.lists(st.text(max_size=3), max_size=30)


def tick(names: Sequence[str], seen: Seen | None, first_tick: FirstTick = "all", limit: int = 3) -> Choice[str]:
    """A tick that finds `names`, oldest first."""
    return choose(((name, name) for name in names), seen, first_tick=first_tick, max_per_tick=limit, room=0)


def seen(*names: str) -> Seen:
    return Seen(tuple(map(digest, names)))


@pytest.mark.parametrize(
    ("first_tick", "chosen", "marked", "left"),
    [("all", ("a", "b"), ("a", "b"), 1), ("latest", ("b", "c"), ("a", "b", "c"), 0), ("none", (), ("a", "b", "c"), 0)],
)
def test_the_first_tick_has_a_policy(
    first_tick: FirstTick, chosen: tuple[str, ...], marked: tuple[str, ...], left: int
) -> None:
    choice = tick("abc", None, first_tick, limit=2)
    assert choice == Choice(chosen=chosen, seen=seen(*marked), left=left)


@pytest.mark.parametrize("first_tick", ["all", "latest", "none"])
def test_later_ticks_have_none(first_tick: FirstTick) -> None:
    assert tick("abcd", seen("b"), first_tick, limit=2).chosen == ("a", "c")
    assert tick("abc", Seen(), first_tick, limit=2).chosen == ("a", "b")


def test_only_what_is_chosen_is_marked() -> None:
    choice = tick("abcde", seen("a"), limit=2)
    assert choice == Choice(chosen=("b", "c"), seen=seen("a", "b", "c"), left=2)


def test_what_there_is_room_for_is_chosen_and_marked_though_it_goes_later() -> None:
    choice = choose([(name, name) for name in "abcdef"], seen("a"), first_tick="latest", max_per_tick=2, room=2)
    assert choice == Choice(chosen=("b", "c", "d", "e"), seen=seen(*"abcde"), left=1)


def test_items_with_one_identity_count_once() -> None:
    choice = choose([("7", "first"), ("7", "second")], None, first_tick="all", max_per_tick=5, room=0)
    assert choice == Choice(chosen=("first",), seen=seen("7"), left=0)


def test_a_tick_that_could_send_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_per_tick is 0"):
        tick("a", None, limit=0)


@given(documents=st.lists(names, max_size=8), limit=st.integers(1, 5))
def test_nothing_is_lost_or_repeated_while_it_stays_listed(documents: list[list[str]], limit: int) -> None:
    ring: Seen | None = None
    sent: list[str] = []
    listed: list[str] = []
    for names in documents:
        listed = list(dict.fromkeys([*listed, *names]))  # a source that drops nothing
        choice = tick(listed, ring, limit=limit)
        assert choice.left == len(listed) - len(sent) - len(choice.chosen)
        ring = choice.seen
        sent += choice.chosen
    while (choice := tick(listed, ring, limit=limit)).chosen:
        ring = choice.seen
        sent += choice.chosen
    assert sent == listed


def test_what_has_left_the_document_is_remembered_for_a_while() -> None:
    ring = tick(["gone"], None).seen
    for start in range(0, SMALLEST_RING - 1, 3):
        ring = tick([f"{number}" for number in range(start, start + 3)], ring).seen
    assert len(ring.digests) <= SMALLEST_RING
    assert tick(["gone"], ring).chosen == ()


def test_the_ring_is_bounded_and_forgets_what_is_gone_longest() -> None:
    ring = Seen(tuple(digest(f"{number}") for number in range(SMALLEST_RING)))
    ring = tick(["new"], ring).seen
    assert len(ring.digests) == SMALLEST_RING
    assert digest("0") not in ring.digests
    assert ring.digests[-1] == digest("new")


@pytest.mark.parametrize("size", [10, SMALLEST_RING, 5 * SMALLEST_RING])
def test_the_ring_is_never_smaller_than_the_document(size: int) -> None:
    listed = [f"{number}" for number in range(size)]
    ring = tick(listed, seen("other"), limit=size).seen
    assert set(map(digest, listed)) <= set(ring.digests)
    assert tick(listed, ring).chosen == ()
    assert len(ring.digests) <= max(SMALLEST_RING, 2 * size)


def test_pages_that_take_turns_are_not_new_each_time() -> None:
    pages = [[f"{page}-{number}" for number in range(2 * SMALLEST_RING)] for page in range(2)]
    ring = Seen()
    for page in pages:
        ring = tick(page, ring, limit=len(page)).seen
    assert tick(pages[0], ring).chosen == ()


@given(names=names)
def test_the_ring_comes_back_as_it_went(names: list[str]) -> None:
    assert Seen.from_text(seen(*names).to_text()) == seen(*names)


@pytest.mark.parametrize("text", ["AAAA", "?", "AAAAAAAAAAA", "ä"])
def test_what_never_was_a_ring_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of base64, or ours
        Seen.from_text(text)


def test_halves_of_surrogate_pairs_have_a_digest_too() -> None:
    assert digest("\ud800") != digest("\ud801")
