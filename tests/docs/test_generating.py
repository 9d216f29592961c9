"""What the reference makes of the code has all there is."""

import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import pytest
from command import ROOT

import nexo_poller
from nexo_poller.admin.table import ROUTES
from nexo_poller.builtins import builtin_pollers
from nexo_poller.cli import COMMANDS
from nexo_poller.config.json_schema import json_schema

sys.path.insert(0, str(ROOT / "docs"))

from generating import MARK, cli, config, http
from generating.api import markdown

API: Final = "".join(page.read_text() for page in ROOT.glob("docs/reference/api/*.md"))
PACKAGES: Final = ["nexo_poller", *(f"nexo_poller.{name}" for name in ("testing", "plugins", "tools", "admin"))]


def keys_of(schema: Any) -> Iterator[str]:
    """The names of all properties, however deep."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for value in schema.values():
            yield from keys_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from keys_of(value)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_a_place_and_only_one(package: str) -> None:
    marks = [mark[2].split() for mark in MARK.finditer(API) if mark[1] == "api"]
    described = "".join(markdown(*arguments) for arguments in marks if arguments[0] == package)
    names, of_the_top = set(import_module(package).__all__), set(nexo_poller.__all__)
    wanted = names if names == of_the_top else names - of_the_top  # those have their place among the top's
    assert sorted(re.findall(r"^## (\w+)$", described, re.MULTILINE)) == sorted(wanted)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_turns_into_the_module_of_that_name_once_it_is_loaded(package: str) -> None:
    values = {name: getattr(import_module(package), name) for name in import_module(package).__all__}
    assert [name for name, value in values.items() if inspect.ismodule(value)] == []


def test_every_key_of_the_file_has_a_line() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", config.markdown(), re.MULTILINE))
    known = set(keys_of(json_schema({poller.kind: poller for poller in builtin_pollers()})))
    assert known - {"recipient"} <= told, "`recipient` is told of in the line of `deliver`"


def test_every_command_has_a_heading_and_its_exit_codes_keep_their_lines() -> None:
    told = cli.markdown()
    assert {*re.findall(r"^## nexo-poller (\w+)$", told, re.MULTILINE)} == {*COMMANDS}
    assert "\n  0  clean\n" in told
    assert r"\b" not in told
    assert "\b" not in told


def test_every_endpoint_has_a_heading() -> None:
    told = re.findall(r"^## ([A-Z]+ /.*)$", http.markdown(), re.MULTILINE)
    assert sorted(told) == sorted(f"{route.method} {route.path}" for route in ROUTES)
