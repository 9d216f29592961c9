"""Which entry of `channels:` a message belongs to."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexo_poller.broker.subjects import Pattern
from nexo_poller.channels.entries import entry_for, name_problem, patterns

words = st.sampled_from(["telegram", "ana"])
accounts = st.lists(words, min_size=1, max_size=3).map(".".join)
names = st.sets(accounts | st.just("*"))


def wanted(account: str, entries: set[str]) -> str | None:
    """The rule, in a row: the account's own entry, its channel's, the one for all."""
    if account in entries:
        return account
    if account.split(".", maxsplit=1)[0] in entries:
        return account.split(".", maxsplit=1)[0]
    return "*" if "*" in entries else None


@given(account=accounts, entries=names)
@example(account="telegram.ana", entries={"telegram", "telegram.ana"})
def test_exactly_one_pattern_matches_a_topic_that_has_an_entry_and_none_any_other(
    account: str, entries: set[str]
) -> None:
    topic = f"plugin.outbound.{account}"
    matching = [pattern for pattern in patterns(entries) if Pattern(pattern).matches(topic)]
    assert len(matching) == (0 if wanted(account, entries) is None else 1)
    if matching:
        assert entry_for(topic, entries) == wanted(account, entries)


@pytest.mark.parametrize(
    ("account", "entry"),
    [
        ("telegram.ana_bot", "telegram.ana_bot"),
        ("telegram.bob_bot", "telegram"),
        ("telegram", "telegram"),
        ("google.ana@gmail.com", "google.ana@gmail.com"),
        ("google.bob@gmail.com", "*"),
    ],
)
def test_the_most_specific_entry_wins(account: str, entry: str) -> None:
    entries = ["*", "telegram", "telegram.ana_bot", "google.ana@gmail.com"]
    assert entry_for(f"plugin.outbound.{account}", entries) == entry


@pytest.mark.parametrize("name", ["telegram", "telegram.ana_bot", "google.ana@gmail.com", "*"])
def test_these_are_names(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["", "tele gram", "telegram.*", "telegram.", "**", ">"])
def test_these_are_not_and_it_is_said_why(name: str) -> None:
    problem = name_problem(name)
    assert problem is not None
    assert " has " in problem.what
    assert problem.key == ("channels", name)
