from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as data_field
from enum import IntEnum, StrEnum
from typing import Any, Literal

import pytest
from attrs import Attribute, field, frozen
from attrs.validators import ge, in_

from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, Problem


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int
    tags: list[str] = data_field(default_factory=list)


@frozen
class Sample:
    text: str = "t"
    whole: int = field(default=1, validator=ge(1))
    size: int = field(default=3, validator=[ge(1), ge(3)])
    number: float = 1.0
    flag: bool = False
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = {}
    names: Sequence[str] = ()
    numbers: tuple[int, ...] = ()
    point: Point | None = None
    either: int | str | None = None
    shape: Point | list[int] | None = None
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    anything: Any = None
    _private: int = 0


def problems(value: Any, type_: Any = Sample) -> list[tuple[Any, str]]:
    with pytest.raises(ConfigError) as caught:
        structure(value, type_)
    return [(problem.key, str(problem)) for problem in caught.value.problems]


def test_values_become_objects_all_the_way_down() -> None:
    sample = structure(
        {
            "number": 5,
            "headers": {"a": "b"},
            "names": ["x"],
            "numbers": [1],
            "point": {"x": 1, "tags": ["y"]},
            "either": "e",
            "shape": [1, 2],
            "colour": "red",
            "level": 1,
            "anything": [{"a": 1}],
            "private": 7,
        },
        Sample,
    )
    assert sample == Sample(
        number=5.0,
        headers={"a": "b"},
        names=("x",),
        numbers=(1,),
        point=Point(1, ["y"]),
        either="e",
        shape=[1, 2],
        anything=[{"a": 1}],
        private=7,
    )
    assert type(sample.number) is float
    assert sample.colour is Colour.RED
    assert sample.level is Level.LOW


def test_an_empty_mapping_gives_the_defaults() -> None:
    assert structure({}, Sample) == Sample()


QUOTES = "(write it without quotes; ${…} always gives text)"


@pytest.mark.parametrize(
    ("value", "key", "problem"),
    [
        ({"text": 5}, ("text",), "'text' must be text, not the number 5 (put it in quotes)"),
        ({"text": None}, ("text",), "'text' must be text, not empty (put it in quotes)"),
        ({"text": {"title": None}}, ("text",), "'text' must be text, not a mapping (put it in quotes)"),
        ({"whole": "5"}, ("whole",), f"'whole' must be a whole number, not the text '5' {QUOTES}"),
        ({"whole": 5.0}, ("whole",), "'whole' must be a whole number, not the number 5.0"),
        ({"whole": True}, ("whole",), "'whole' must be a whole number, not true"),
        ({"whole": None}, ("whole",), "'whole' must be a whole number, not empty"),
        ({"whole": "x" * 61}, ("whole",), f"'whole' must be a whole number, not a text of 61 characters {QUOTES}"),
        ({"number": False}, ("number",), "'number' must be a number, not false"),
        ({"number": float("nan")}, ("number",), "'number' must be a finite number, not the number nan"),
        ({"flag": "yes"}, ("flag",), f"'flag' must be true or false, not the text 'yes' {QUOTES}"),
        ({"flag": 1}, ("flag",), "'flag' must be true or false, not the number 1"),
        ({"method": "get"}, ("method",), "'method' must be 'GET' or 'POST', not the text 'get' (did you mean 'GET'?)"),
        ({"headers": {"a": 1}}, ("headers", "a"), "'a' must be text, not the number 1 (put it in quotes)"),
        ({"headers": ["a"]}, ("headers",), "'headers' must be a mapping, not a list"),
        ({"names": "abc"}, ("names",), "'names' must be a list, not the text 'abc'"),
        ({"numbers": [1, "a"]}, ("numbers", 1), f"item 2 must be a whole number, not the text 'a' {QUOTES}"),
        ({"point": 5}, ("point",), "'point' must be a mapping, not the number 5 (its keys are x, tags)"),
        ({"point": {"x": "1"}}, ("point", "x"), f"'x' must be a whole number, not the text '1' {QUOTES}"),
        ({"either": [1]}, ("either",), "'either' must be a whole number or text, not a list (put it in quotes)"),
        ({"shape": {"x": "1"}}, ("shape", "x"), f"'x' must be a whole number, not the text '1' {QUOTES}"),
        ({"colour": "blue"}, ("colour",), "'blue' is not a valid Colour"),
        ({"whole": 0}, ("whole",), "'whole' must be >= 1: 0"),
        ({"point": {}}, ("point",), "the key 'x' is missing (add 'x: …')"),
        ({"wole": 5}, ("wole",), "unknown key 'wole' (did you mean 'whole'?)"),
        ({"point": {"x": 1, "q": 1}}, ("point", "q"), "unknown key 'q' (remove it; known keys: x, tags)"),
        ([], (), None),
    ],
)
def test_a_wrong_value_is_a_problem_at_its_key(value: Any, key: tuple[str | int, ...], problem: str | None) -> None:
    ((found_key, text),) = problems(value)
    assert found_key == key
    assert problem is None or text == problem


def test_all_problems_come_at_once_those_of_validators_too() -> None:
    found = problems({"whole": 0, "size": 2, "names": [1, 2], "nope": 1})
    assert [key for key, _ in found] == [("nope",), ("names", 0), ("names", 1), ("whole",), ("size",)]


def test_every_validator_is_heard() -> None:
    assert [key for key, _ in problems({"whole": 0, "size": 2})] == [("whole",), ("size",)]


def test_a_validator_that_looks_at_other_fields_is_heard() -> None:
    @frozen
    class Range:
        least: int
        most: int = field()

        @most.validator
        def _above(self, _: "Attribute[int]", most: int) -> None:
            if most < self.least:
                raise ConfigError(Problem(what="most is below least", key=("deeper",)))

    assert problems({"least": 5, "most": 1}, Range) == [(("most", "deeper"), "most is below least")]
    assert problems({"most": 1}, Range) == [((), "the key 'least' is missing (add 'least: …')")]


def test_validators_of_attrs_speak_without_their_objects() -> None:
    @frozen
    class Named:
        name: str = field(validator=in_(["a"]))

    ((_, text),) = problems({"name": "b"}, Named)
    assert text == "'name' must be in ['a'] (got 'b')"


def test_a_plain_mapping_is_a_config_type_too() -> None:
    assert structure({"a": [1]}, dict) == {"a": [1]}
    assert problems({"a": "x"}, Mapping[str, int])[0][0] == ("a",)
