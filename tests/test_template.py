import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.template import LONGEST_MESSAGE, render

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=8), values, max_size=4),
    max_leaves=12,
)
EMBEDDINGS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
ITEM = {
    "title": "Löwe",
    "author": {"name": "Ana", "tags": ["a", "b"]},
    "done": False,
    "size": 12.5,
    "note": None,
    "a.b": "dotted",
    "a": {"b": "nested"},
    "sly": "{title} {json}",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{title}", "Löwe"),
        ("{author.name} & {author.tags.1}", "Ana & b"),
        ("{author}", '{"name":"Ana","tags":["a","b"]}'),
        ("{done} {size} {note}", "false 12.5 null"),
        ("{a.b}", "dotted"),
        ("{sly}", "{title} {json}"),
        ("{{title}}", "{Löwe}"),
        ("{ {title} }", "{ Löwe }"),
        ('{"text": "{title}"}', '{"text": "Löwe"}'),
        ("", ""),
    ],
)
def test_placeholders_are_filled_in(template: str, text: str) -> None:
    assert render(template, ITEM) == text


@pytest.mark.parametrize(
    "template",
    [
        "{other}",
        "{author.other}",
        "{author.tags.2}",
        "{author.tags.-1}",
        "{author.tags.\u0660}",
        "{author.tags.99999999999999999999}",
        "{title.upper}",
        "{title.__class__}",
        "{__class__}",
        "{title!r}",
        "{title:>10}",
        "{title.0}",
        "{}",
        "{title",
        "title}",
        "{ title }",
        "{0}",
    ],
)
def test_what_the_item_does_not_have_stays_as_it_is(template: str) -> None:
    assert render(template, ITEM) == template


def test_json_is_the_whole_item() -> None:
    assert json.loads(render("{json}", ITEM)) == ITEM
    assert render("{json}", {"json": "mine"}) == '{"json":"mine"}'


def test_control_and_bidi_characters_are_removed_from_values_only() -> None:
    value = "a\tb\nc\rd\x00e\x1bf\x7fg\x85h\u202ei\u2066j\u200fk\u061cl\ud800m"
    assert render("\u202e{value}", {"value": value}) == "\u202ea\tb\ncdefghijklm"
    assert render("{json}", {"\u202ekey": "\u2069"}) == '{"key":""}'


def test_the_message_is_cut_at_its_longest() -> None:
    assert render("{value}!", {"value": "x" * 4095}) == "x" * 4095 + "!"
    assert render("{value}!", {"value": "x" * 10_000}) == "x" * LONGEST_MESSAGE


def is_wanted(char: str) -> bool:
    turns_text_around = unicodedata.bidirectional(char) in EMBEDDINGS or char in "\u200e\u200f\u061c"
    return char in "\t\n" or not (unicodedata.category(char) in {"Cc", "Cs"} or turns_text_around)


@given(value=json_values, before=st.text(max_size=20), after=st.text(max_size=20))
def test_any_value_appears_between_what_surrounds_it(value: Any, before: str, after: str) -> None:
    before, after = before.replace("{", ""), after.replace("}", "")
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    expected = before + "".join(filter(is_wanted, shown)) + after
    assert render(f"{before}{{value}}{after}", {"value": value}) == expected[:LONGEST_MESSAGE]


@given(template=st.text(alphabet="{}ab.", max_size=60), item=json_values)
def test_no_template_and_no_item_makes_it_raise(template: str, item: Any) -> None:
    render(template, item)


def test_a_hostile_template_takes_no_time() -> None:
    render("{" * 1_000_000 + "a." * 1_000_000, {})
    render("{" + "a." * 100_000 + "a}", {"a": {}})
