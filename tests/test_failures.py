from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.errors import (
    ConfigError,
    CredentialsMissing,
    HostError,
    HostHeld,
    PermanentError,
    TransientError,
)
from nexo_poller.failures import classify, describe

MINUTE = timedelta(minutes=1)

Raise = Callable[[], Exception]
PERMANENT: list[Raise] = [
    lambda: PermanentError("gone"),
    lambda: ConfigError("wrong"),
    lambda: CredentialsMissing("telegram", "ana"),
]
TRANSIENT: list[Raise] = [
    lambda: TransientError("away"),
    lambda: TransientError("busy", retry_after=MINUTE),
    lambda: ValueError("odd"),
    lambda: HostError("no"),
    KeyError,
]
HELD: list[Raise] = [lambda: HostHeld("example.org", MINUTE), lambda: HostHeld("example.com", 2 * MINUTE)]


def grouped(leaves: list[Raise]) -> st.SearchStrategy[Exception]:
    """One of these, or groups of groups of them."""
    leaf = st.sampled_from(leaves).map(lambda make: make())
    return st.recursive(leaf, lambda inner: st.lists(inner, min_size=1, max_size=3).map(_group), max_leaves=6)


def _group(errors: list[Exception]) -> Exception:
    return ExceptionGroup("some tasks failed", errors)


@given(worst=grouped(PERMANENT), others=st.lists(grouped(TRANSIENT + HELD), max_size=3))
def test_one_permanent_leaf_makes_it_permanent_however_deep_it_lies(worst: Exception, others: list[Exception]) -> None:
    assert isinstance(classify(_group([*others, worst])), PermanentError)


@given(worst=grouped(TRANSIENT), others=st.lists(grouped(HELD), max_size=3))
def test_without_one_a_transient_leaf_decides_even_beside_held_hosts(worst: Exception, others: list[Exception]) -> None:
    assert isinstance(classify(_group([*others, worst])), TransientError)


@given(held=grouped(HELD))
def test_held_hosts_alone_are_held_and_the_longest_hold_counts(held: Exception) -> None:
    verdict = classify(held)
    assert isinstance(verdict, HostHeld)
    assert verdict.wait == (2 * MINUTE if "example.com" in leaves_of(held) else MINUTE)


def leaves_of(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " ".join(map(leaves_of, error.exceptions))
    return str(error)


def test_an_error_of_its_own_kind_is_passed_on_as_it_is() -> None:
    for error in (PermanentError("gone"), TransientError("away", MINUTE), HostHeld("example.org", MINUTE)):
        assert classify(error) is error
        assert classify(_group([error])) is error


def test_the_longest_wait_that_any_leaf_asks_for_wins() -> None:
    group = _group([TransientError("a", MINUTE), _group([TransientError("b", 3 * MINUTE), ValueError()])])
    verdict = classify(group)
    assert isinstance(verdict, TransientError)
    assert (str(verdict), verdict.retry_after) == ("b", 3 * MINUTE)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("odd"), "ValueError: odd"),
        (TimeoutError(), "TimeoutError"),
        (_group([OSError("first"), OSError("second")]), "OSError: first"),
    ],
)
def test_a_strange_error_is_transient_and_named_by_its_type(error: Exception, words: str) -> None:
    verdict = classify(error)
    assert isinstance(verdict, TransientError)
    assert (str(verdict), verdict.retry_after) == (words, None)


def test_an_error_is_described_in_its_own_words_as_far_as_they_can_be_written() -> None:
    assert describe(PermanentError("the key was revoked")) == "the key was revoked"
    assert describe(PermanentError()) == "PermanentError"
    assert describe(ValueError("half a pair: \ud800")) == "half a pair: ?"
