import pytest

from nexo_poller.dotted import DeadEnd, described, follow

DOCUMENT = {"data": {"items": [{"id": 7}], "": 0}, "data.items": "literal", "text": "abc"}


def test_a_path_leads_through_objects_and_lists() -> None:
    assert follow(DOCUMENT, "") is DOCUMENT
    assert follow(DOCUMENT, "data.items.0.id") == 7
    assert follow([[1, 2]], "0.1") == 2


def test_a_key_with_dots_comes_first() -> None:
    assert follow(DOCUMENT, "data.items") == "literal"


@pytest.mark.parametrize(
    ("path", "dead_end"),
    [
        ("other", DeadEnd(at="", missing="other", found=DOCUMENT)),
        ("data.items.1", DeadEnd(at="data.items", missing="1", found=[{"id": 7}])),
        ("data.items.0.id.x", DeadEnd(at="data.items.0.id", missing="x", found=7)),
        ("text.0", DeadEnd(at="text", missing="0", found="abc")),
        ("data.items.-1", DeadEnd(at="data.items", missing="-1", found=[{"id": 7}])),
    ],
)
def test_a_dead_end_says_where_it_is(path: str, dead_end: DeadEnd) -> None:
    assert follow(DOCUMENT, path) == dead_end


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "a number"),
        ("abc", "a string"),
        ([1] * 2000, "a list of 2,000"),
        ({}, "an object with no keys"),
        ({"a": 1, "b": 2}, "an object with the keys a, b"),
        (dict.fromkeys("abcdefghij"), "an object with the keys a, b, c, d, e, f, g, h, …"),
    ],
)
def test_a_value_is_described_in_a_few_words(value: object, words: str) -> None:
    assert described(value) == words
