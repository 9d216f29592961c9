"""Subjects, against a plain reading of NATS's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.broker.subjects import LONGEST, Pattern, topic_fault

tokens = st.sampled_from(["a", "b", "plugin", "+49", "x@y", "[ab]", "$", "ü"])
topics = st.lists(tokens, min_size=1, max_size=5)
patterns = st.builds(
    lambda first, last: [*first, *last],
    st.lists(tokens | st.just("*"), min_size=1, max_size=4),
    st.sampled_from([[], [">"]]),
) | st.just([">"])


def wants(pattern: list[str], topic: list[str]) -> bool:
    """The rules, token by token."""
    if pattern == [">"]:
        return len(topic) >= 1
    if not pattern or not topic:
        return pattern == topic
    return pattern[0] in ("*", topic[0]) and wants(pattern[1:], topic[1:])


@given(pattern=patterns, topic=topics)
def test_a_pattern_matches_what_its_tokens_say(pattern: list[str], topic: list[str]) -> None:
    assert Pattern(".".join(pattern)).matches(".".join(topic)) == wants(pattern, topic)


@given(topic=topics)
def test_a_topic_as_a_pattern_matches_itself_only(topic: list[str]) -> None:
    text = ".".join(topic)
    assert topic_fault(text) is None
    assert Pattern(text).matches(text)
    assert not Pattern(text).matches(text + ".more")
    assert not Pattern(text).matches(text + "x")


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("*", "a.b", False),
        ("a.*.c", "a.b.c", True),
        ("A", "a", False),
    ],
)
def test_one_star_is_one_token_and_an_arrow_is_one_or_more(pattern: str, topic: str, matches: bool) -> None:
    assert Pattern(pattern).matches(topic) is matches


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty token"),
        (".a", "empty token"),
        ("a.", "empty token"),
        ("a..b", "empty token"),
        ("a b", "space"),
        ("a\n", "control character"),
        ("a\x00b", "control character"),
        ("a" * (LONGEST + 1), "longer"),
    ],
)
def test_what_is_no_subject_is_told_why(text: str, fault: str) -> None:
    assert fault in str(topic_fault(text))
    with pytest.raises(ValueError, match=fault):
        Pattern(text)


@pytest.mark.parametrize("text", ["a.*", "a*", ">", "a.>.b"])
def test_a_topic_has_no_wildcards(text: str) -> None:
    assert "wildcard" in str(topic_fault(text))


@pytest.mark.parametrize("text", ["a*", "*a", "a.>.b", ">.a", "a.b>", "**"])
def test_a_wildcard_stands_alone_and_the_arrow_stands_last(text: str) -> None:
    with pytest.raises(ValueError, match="wildcard out of place"):
        Pattern(text)
