"""What the README shows is what is: its programs are the examples, its file is sound, its commands run."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, nexo_poller
from snippets import to_run

from nexo_poller.builtins import builtin_pollers

README = ROOT.joinpath("README.md").read_text()
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

RUN_ELSEWHERE = {
    "nexo-poller demo",  # tests/cli/test_demo.py
    "nexo-poller serve",  # tests/cli/test_serve.py
    "nexo-poller serve --watch",  # tests/cli/test_reload_of_a_daemon.py
}


def blocks(language: str) -> list[str]:
    """The README's code in this language."""
    return [code for found, code in FENCE.findall(README) if found == language]


def commands() -> Iterator[str]:
    """Every single command in the README's shell blocks that can run here."""
    for snippet in to_run("README.md"):
        if snippet.language == "sh":
            for line in snippet.code.splitlines():
                yield from line.split(" && ")


def test_every_block_has_a_language_that_is_tested_here() -> None:
    assert {language for language, _ in FENCE.findall(README)} == {"text", "sh", "yaml", "python"}


def test_every_program_is_a_file_in_examples() -> None:
    examples = [path.read_text() for path in ROOT.joinpath("examples").glob("*.py")]
    assert blocks("python")
    assert all(program in examples for program in blocks("python"))


def test_the_configuration_is_the_one_in_examples_and_is_sound() -> None:
    (shown,) = blocks("yaml")
    assert shown == ROOT.joinpath("examples/config/pollers.yaml").read_text()
    nexo_poller("check", "--strict", cwd=ROOT / "examples")


@pytest.mark.parametrize("command", [*commands()])
def test_every_command_runs(command: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(command)
    if program == "pip":
        assert command == "pip install .", "what a fresh clone of this can do"
    elif command not in RUN_ELSEWHERE:
        assert program == "nexo-poller"
        tmp_path.joinpath("config").symlink_to(ROOT / "examples" / "config")
        assert nexo_poller(*arguments, cwd=tmp_path).stdout


def test_extras_that_are_named_exist() -> None:
    extras = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set(re.findall(r"pip install [^`\n]*\[(\w+)\]", README))
    assert named == {"test", "docs", "channels", "google", "llm", "mcp"}
    assert named <= set(extras)


def test_every_kind_is_in_the_table() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", README.partition("| kind |")[2].partition("\n\n")[0], re.MULTILINE)
    assert sorted(listed) == sorted(poller.kind for poller in builtin_pollers())


def test_every_subcommand_is_in_the_table(tmp_path: Path) -> None:
    listed = re.findall(
        r"^  (\w+) ", nexo_poller("--help", cwd=tmp_path).stdout.partition("Commands:")[2], re.MULTILINE
    )
    assert sorted(listed) == sorted(re.findall(r"^\| `nexo-poller (\w+)", README, re.MULTILINE))


def test_every_key_of_the_settings_is_in_the_table_with_its_default(tmp_path: Path) -> None:
    schema = json.loads(nexo_poller("schema", cwd=tmp_path).stdout)
    settings: dict[str, Any] = schema["properties"]["pollers"]["anyOf"][0]["properties"]
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", README, re.MULTILINE))
    assert rows.keys() == settings.keys()
    defaults = {key: str(value["default"]).lower() for key, value in settings.items() if "default" in value}
    assert {key: rows[key].lower() for key in defaults} == defaults


def test_every_relative_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert targets
    assert all(ROOT.joinpath(target).exists() for target in targets)
