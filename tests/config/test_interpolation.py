from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.config.interpolation import MAX_FILE_BYTES, Interpolation
from nexo_poller.errors import Problem


def resolved(value: Any, folder: Path = Path(), **env: str) -> Any:
    interpolation = Interpolation(env=env, folder=folder)
    result = interpolation.resolve(value)
    assert not interpolation.problems
    return result


def problem(value: Any, folder: Path = Path(), **env: str) -> Problem:
    interpolation = Interpolation(env=env, folder=folder)
    interpolation.resolve(value)
    (only,) = interpolation.problems
    return only


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${TOKEN}", "s3cret"),
        ("Bearer ${TOKEN}!", "Bearer s3cret!"),
        ("${TOKEN}${TOKEN}", "s3crets3cret"),
        ("${GONE:-def:-ault}", "def:-ault"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${GONE:-}", ""),
        ("${TOKEN:-default}", "s3cret"),
        ("$${TOKEN}", "${TOKEN}"),
        ("$$${TOKEN}", "$${TOKEN}"),
        ("$TOKEN costs 5$ {TOKEN}", "$TOKEN costs 5$ {TOKEN}"),
    ],
)
def test_references_are_replaced_inside_texts(text: str, result: str) -> None:
    assert resolved(text, TOKEN="s3cret", EMPTY="") == result


def test_keys_and_other_values_stay_as_they_are() -> None:
    value = {"${A}": ["${A}", 5, None, {"k": "x${A}"}]}
    assert resolved(value, A="1") == {"${A}": ["1", 5, None, {"k": "x1"}]}


def test_a_value_that_looks_like_a_reference_is_not_looked_at_again() -> None:
    assert resolved("${A}", A="${B}", B="no") == "${B}"


def test_a_file_gives_its_text_without_the_line_break_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "token").write_bytes(b"one\ntwo\r\n")
    assert resolved("${file:./sub/token}", tmp_path) == "one\ntwo"
    assert resolved(f"${{file:{tmp_path}/sub/token}}") == "one\ntwo"


def test_what_came_in_is_a_secret_and_so_is_a_default(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    interpolation = Interpolation(env={"A": "from-env"}, folder=tmp_path)
    interpolation.resolve(["${A}", "x ${B:-from-default}", "${file:token}", "plain"])
    assert interpolation.secrets == {"from-env", "from-default", "from-file"}


def test_an_unset_variable_is_a_problem_at_its_place() -> None:
    found = problem({"a": ["x", "${TOKEM}"]}, TOKEN="s3cret")
    assert found.key == ("a", 1)
    assert str(found) == (
        "the environment variable TOKEM is not set (set it, or give a default: ${TOKEM:-…}; did you mean 'TOKEN'?)"
    )


def test_every_fault_of_a_text_is_reported() -> None:
    interpolation = Interpolation(env={}, folder=Path())
    interpolation.resolve("${A} ${B} ${")
    assert len(interpolation.problems) == 3


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a ${ b", "${ is not closed"),
        ("${}", "${} cannot be understood"),
        ("${1A}", "${1A} cannot be understood"),
        ("${A B}", "${A B} cannot be understood"),
        ("${A-b}", "${A-b} cannot be understood"),
        ("${A:-${B}}", "the default of ${A} holds another ${"),
        ("${A:-\udc80}", "the environment variable A is not UTF-8 text"),
    ],
)
def test_what_cannot_be_understood_is_a_problem(text: str, what: str) -> None:
    assert problem(text).what == what


def test_files_that_cannot_be_used_are_problems(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"\xc3\xa4" * MAX_FILE_BYTES)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert str(problem("${file:./gone}", tmp_path)) == (f"there is no file './gone' (paths are relative to {tmp_path})")
    assert problem("${file:}", tmp_path).what == "there is no file ''"
    assert problem("${file:big}", tmp_path).what == "the file 'big' has more than 64 KB"
    assert problem("${file:binary}", tmp_path).what == "the file 'binary' is not UTF-8 text"


@given(st.text(), st.dictionaries(st.sampled_from("AB"), st.text()))
def test_a_text_stays_one_text_whatever_comes_in(text: str, env: dict[str, str]) -> None:
    value = {"k": [text, "${A:-}"], "n": 5}
    result = Interpolation(env=env, folder=Path()).resolve(value)
    assert list(result) == ["k", "n"]
    assert [type(item) for item in result["k"]] == [str, str]
    assert result["k"][1] == env.get("A", "")
