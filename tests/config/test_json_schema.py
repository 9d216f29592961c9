from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen
from attrs.validators import ge, lt, max_len, min_len, optional
from config_folders import GOOGLE_AUTH, LLM
from jsonschema import Draft202012Validator
from poller_files import PAGES, job, jobs

from nexo_poller.builtins import builtin_pollers
from nexo_poller.config.fields import fields_of
from nexo_poller.config.json_schema import json_schema
from nexo_poller.config.meanings import MEANINGS
from nexo_poller.config.type_schema import type_schema
from nexo_poller.config.yaml_text import parse_yaml

SCHEMA = json_schema(PAGES)


def is_valid(text: str) -> bool:
    document = parse_yaml(text, "f")
    assert not document.problems
    return Draft202012Validator(SCHEMA).is_valid(document.value)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator.check_schema(json_schema({}))
    Draft202012Validator.check_schema(json_schema({poller.kind: poller for poller in builtin_pollers()}))


@pytest.mark.parametrize(
    "text",
    [
        "pollers:\n",
        jobs(job("a")),
        jobs(job("a", schedule="{cron: '0 * * * * *', tz: Europe/Berlin}", failure_to="{channel: x, to: y}")),
        jobs(job("a", schedule='{at: "2026-04-26T15:00:00Z"}', tick_timeout_secs="0.5", extra="{x: [1]}")),
        "agents: [{id: ana, credentials: {telegram: x}}]\nchannels: {'*': stdout}\nschema_version: 7",
        GOOGLE_AUTH + LLM,
    ],
)
def test_it_takes_a_good_file(text: str) -> None:
    assert is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "nope: 1",
        "pollers: {nope: 1}",
        "pollers: {breaker_threshold: 0}",
        "pollers: {default_jitter_ms: '5'}",
        jobs(job("a b")),
        jobs(job("reload")),
        jobs(job("a", kind="other")),
        jobs(job("a", agent="")),
        jobs(job("a", agent="''")),
        jobs(job("a", nope="1")),
        jobs(job("a", misfire="never")),
        jobs(job("a", schedule="{every_secs: 0}")),
        jobs(job("a", schedule="{every_secs: 1, tz: UTC}")),
        jobs(job("a", schedule="{every_secs: 1, cron: '0 * * * * *'}")),
        jobs(job("a", schedule="{}")),
        jobs(job("a", config="")),
        jobs(job("a", config="{url: x, deliver: {channel: x, to: y}, nope: 1}")),
        jobs(job("a", config="{url: x, deliver: {channel: x, to: y}, pages: 0}")),
        jobs(job("a", config="{url: x, deliver: {channel: x}}")),
        "agents: [{credentials: {}}]",
        "channels: {telegram: 5}",
        GOOGLE_AUTH.replace("token_path", "token_file"),
        LLM.replace("rate_limit: {requests_per_second: 9}", "rate_limit: {requests_per_second: 0}"),
        LLM.replace("base_url", "url"),
        "providers: {x: {api_flavor: other}}",
        "retry: {max_attempts: 0}",
    ],
)
def test_it_refuses_what_the_file_may_not_hold(text: str) -> None:
    assert not is_valid(text)


def test_an_editor_finds_defaults_bounds_and_descriptions() -> None:
    section = SCHEMA["properties"]["pollers"]["anyOf"][0]
    assert section["properties"]["max_concurrent_ticks"] == {
        "description": "Ticks at once, of all jobs.",
        "type": "integer",
        "minimum": 1,
        "maximum": 1_000_000,
        "default": 64,
    }
    (kind,) = section["properties"]["jobs"]["anyOf"][0]["items"]["allOf"]
    assert kind["then"]["description"] == "New pages of a site."
    assert kind["then"]["properties"]["config"]["description"] == "Which pages to look at."
    assert kind["then"]["properties"]["config"]["required"] == ["url", "deliver"]


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("type_", "schema"),
    [
        (str, {"type": "string"}),
        (float | None, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (Colour, {"enum": ["red"]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (tuple[bool, ...], {"type": "array", "items": {"type": "boolean"}}),
        (dict[str, str], {"type": "object", "additionalProperties": {"type": "string"}}),
        (dict, {"type": "object", "additionalProperties": {}}),
        (Any, {}),
        (Path, {}),
    ],
)
def test_types_have_schemas(type_: Any, schema: dict[str, Any]) -> None:
    assert type_schema(type_) == schema


def test_validators_become_bounds() -> None:
    @frozen
    class Bounded:
        number: int = field(validator=[ge(1), lt(9)])
        name: str | None = field(default=None, validator=optional([min_len(1), max_len(5)]))

    properties = type_schema(Bounded)["properties"]
    assert properties["number"] == {"type": "integer", "minimum": 1, "exclusiveMaximum": 9}
    assert (properties["name"]["minLength"], properties["name"]["maxLength"]) == (1, 5)


def test_every_key_of_the_file_has_a_meaning_and_nothing_else_has() -> None:
    told = {config_class: set(meanings) for config_class, meanings in MEANINGS.items()}
    assert told == {config_class: {field.key for field in fields_of(config_class)} for config_class in MEANINGS}
    without = [key for key, value in properties_of(json_schema({})) if "description" not in value]
    assert without == ["channel", "to"], "these two are of every kind, and told by the class"


def properties_of(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every property, however deep."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for value in schema.values():
            yield from properties_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from properties_of(value)
