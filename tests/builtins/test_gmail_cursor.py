from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.builtins.gmail import cursor
from nexo_poller.builtins.gmail.cursor import MOST_ATTEMPTS, MOST_REMEMBERED, GmailCursor
from nexo_poller.seen import digest

IDS = st.lists(st.text("0123456789abcdef", min_size=1, max_size=3), unique=True, max_size=30)


@given(st.lists(IDS, max_size=8))
def test_no_mail_that_still_matches_is_ever_new_again(listings: list[list[str]]) -> None:
    found, told = GmailCursor(), set[str]()
    before = set[str]()
    for listed in listings:
        new = found.new(listed)
        assert not told & before & set(new) & set(listed)
        found = GmailCursor.from_bytes(found.dealt_with(new, listed).to_bytes())
        told |= set(new)
        before = set(listed)
        assert found.new(listed) == []


def test_all_that_match_are_remembered_however_many() -> None:
    listed = [str(n) for n in range(MOST_REMEMBERED + 500)]
    found = GmailCursor().dealt_with(listed, listed)
    assert found.new(listed) == []


def test_of_those_that_no_longer_match_the_latest_are_remembered() -> None:
    gone = [str(n) for n in range(MOST_REMEMBERED + 10)]
    found = GmailCursor().dealt_with(gone, gone).dealt_with(["x"], ["x"])
    assert len(found.seen.digests) == MOST_REMEMBERED
    assert found.seen.digests[-1] == digest("x")
    assert found.new([gone[0], gone[-1]]) == [gone[0]]


def test_a_mail_is_given_up_after_three_failures_and_then_forgotten() -> None:
    found = GmailCursor()
    for _ in range(MOST_ATTEMPTS):
        assert not found.is_given_up("x")
        found = found.failed("x")
    assert found.is_given_up("x")
    assert found.dealt_with(["x"], ["x"]).failures == {}


def test_failures_of_mails_that_no_longer_match_are_forgotten() -> None:
    assert GmailCursor().failed("x").dealt_with([], []).failures == {}


def test_what_is_to_be_marked_has_a_limit() -> None:
    many = GmailCursor(to_mark=tuple(map(str, range(cursor.MOST_TO_MARK + 5))))
    assert len(GmailCursor.from_bytes(many.to_bytes()).to_mark) == cursor.MOST_TO_MARK
