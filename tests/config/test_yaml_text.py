import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.config.document import Document
from nexo_poller.config.problems import KeyItself
from nexo_poller.config.yaml_text import parse_yaml


def parsed(text: str) -> Document:
    return parse_yaml(text, "f.yaml")


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parsed(text).problems]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("0123", 123),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("+", "+"),
        ("1.2.3", "1.2.3"),
        ("2026-04-26T15:00:00Z", "2026-04-26T15:00:00Z"),
        ('"5"', "5"),
        ("'null'", "null"),
        ("!!str 5", "5"),
        ("! 5", "5"),
    ],
)
def test_words_mean_what_the_core_schema_of_yaml_1_2_says(word: str, value: Any) -> None:
    document = parsed(f"a: {word}")
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)
    assert not document.problems


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(categories=["L", "N", "P", "Zs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(categories=["L"])), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values)
def test_json_is_yaml(value: Any) -> None:
    document = parsed(json.dumps(value))
    assert document.value == value
    assert not document.problems


def test_the_line_map_knows_values_and_keys() -> None:
    lines = parsed("a:\n  - x\n  - b: 1\n    c:   [2,\n     3]\n").lines
    assert lines.where(("a", 0)) == "f.yaml:2:5"
    assert lines.where(("a", 1)) == "f.yaml:3:5"
    assert lines.where(("a", 1, "b")) == "f.yaml:3:8"
    assert lines.where(("a", 1, KeyItself("c"))) == "f.yaml:4:5"
    assert lines.where(("a", 1, "c", 1)) == "f.yaml:5:6"


def test_what_is_not_in_the_file_is_where_its_surroundings_are() -> None:
    lines = parsed("a:\n  - x\n  - b: 1\n").lines
    assert lines.where(("a", 1, "zzz", 5)) == "f.yaml:3:5"
    assert lines.where(("zzz",)) == "f.yaml:1:1"


def test_a_packed_line_map_says_the_same() -> None:
    lines = parsed("a:\n  - x\n  - b: 1\n").lines
    assert lines.packed().where(("a", 1, "b")) == lines.where(("a", 1, "b")) == "f.yaml:3:8"


def test_an_alias_has_the_value_and_the_lines_of_its_anchor() -> None:
    document = parsed("a: &x\n  k: [1]\nb: *x\n")
    assert document.value == {"a": {"k": [1]}, "b": {"k": [1]}}
    assert document.lines.where(("b", "k", 0)) == "f.yaml:2:7"
    assert document.lines.where((KeyItself("b"),)) == "f.yaml:3:1"


def test_a_merge_gives_way_to_own_keys_and_an_earlier_source_to_none() -> None:
    document = parsed("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2, w: 2}\nc: {w: 3, <<: [*a, *b]}\nd: {<<: *a}\n")
    assert document.value["c"] == {"w": 3, "x": 1, "y": 1, "z": 2}
    assert document.value["d"] == {"x": 1, "y": 1}
    assert document.lines.where(("d", "y")) == "f.yaml:1:17"


def test_a_quoted_merge_key_is_a_key() -> None:
    assert parsed("'<<': 1").value == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' is here twice, first on line 1 (remove one)"),
        ("a: {5: x}\n", "f.yaml:1:5: a key must be text (put it in quotes)"),
        ("? [1]\n: 2\n", "f.yaml:1:3: a key must be text (put it in quotes)"),
        ("true: 2\n", "f.yaml:1:1: a key must be text (put it in quotes)"),
        ("a: .nan\n", "f.yaml:1:4: .nan is not a finite number (write a number, or quote it to make it text)"),
        ("a: [-.INF]\n", "f.yaml:1:5: -.INF is not a finite number (write a number, or quote it to make it text)"),
        ("a: 1e999\n", "f.yaml:1:4: 1e999 is not a finite number (write a number, or quote it to make it text)"),
        ("a: !!python/x 1\n", "f.yaml:1:4: the tag tag:yaml.org,2002:python/x means nothing here (remove it; quotes make a value text)"),
        ("a: !x [1]\n", "f.yaml:1:4: the tag !x means nothing here (remove it; quotes make a value text)"),
        ("<<: 5\n", "f.yaml:1:5: << merges mappings, and this is none (name the anchor of a mapping)"),
        ('a: "\\ud800"\n', "f.yaml:1:4: half of a pair of \\u escapes is no character (write the character)"),
    ],
)  # fmt: skip
def test_a_fault_is_reported_with_its_place_and_the_rest_is_read(text: str, problem: str) -> None:
    document = parsed(text + "last: 1\n")
    assert list(map(str, document.problems)) == [problem]
    assert document.value["last"] == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\n\tb: 2\n", "f.yaml:2:1: this is not YAML: while scanning for the next token, found character '\\t' that cannot start any token (indent with spaces)"),
        ("a: [1\nb: 2\n", "f.yaml:2:2: this is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':' (compare the indentation and the quotes here and above)"),
        ("a: 'x\n", "f.yaml:2:1: this is not YAML: while scanning a quoted scalar, found unexpected end of stream (compare the indentation and the quotes here and above)"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here (remove the line ---)"),
        ("a: *x\n", "f.yaml:1:4: no anchor &x stands above this (correct the name)"),
        ("a: &x [*x]\n", "f.yaml:1:8: *x is used inside itself (write the value out)"),
        ("ab: 1\nc: \x07d\n", 'f.yaml:2:4: the character U+0007 is not allowed (remove it, or write it as an escape inside "…")'),
        ("[" * 60, "f.yaml:1:51: mappings and lists are nested too deeply (50 levels are the limit)"),
    ],
)  # fmt: skip
def test_text_that_cannot_be_read_on_gives_no_value_and_the_reason(text: str, problem: str) -> None:
    document = parsed(text)
    assert list(map(str, document.problems)) == [problem]
    assert document.value is None


def test_a_few_lines_that_stand_for_a_billion_values_are_refused() -> None:
    laughs = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10))
    (problem,) = problems(f"l0: &l0 ha\n{laughs}\n")
    assert problem.endswith(
        "the file stands for more than 1,000,000 values (use fewer aliases, or aliases of smaller values)"
    )


def test_merges_count_as_what_they_bring() -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(1001))
    (problem,) = problems(f"a: &a {{{keys}}}\nb: [{'{<<: *a}, ' * 1000}]\n")
    assert "1,000,000 values" in problem


def test_aliases_cannot_nest_more_deeply_than_brackets() -> None:
    levels = "\n".join(f"l{n}: &l{n} [*l{n - 1}]" for n in range(1, 60))
    (problem,) = problems(f"l0: &l0 [1]\n{levels}\n")
    assert "nested too deeply" in problem


def test_the_problems_of_a_part_have_its_key() -> None:
    document = parsed("a:\n  - b: {c: .nan, d: 1, d: 2}\n")
    assert [problem.key for problem in document.problems] == [("a", 0, "b", "c"), ("a", 0, "b", "d")]


@given(st.text(st.sampled_from(list("ab:-?[]{}&*!|>'\"%@`#,\\ \n\t<~1.$x")), max_size=60))
def test_no_text_raises(text: str) -> None:
    document = parsed(text)
    assert document.value is None or not any(
        isinstance(document.value, float) and math.isnan(document.value) for _ in "x"
    )
    assert all(problem.where.startswith("f.yaml:") for problem in document.problems)
