"""docs/howto/gmail.md and docs/howto/google_calendar.md: their configurations are sound, their tables have every key and tool."""

import re
from pathlib import Path
from typing import Final

import pytest
from command import ROOT, nexo_poller
from defaults import default

from nexo_poller.builtins.gmail.config import OWN_FIELDS, GmailConfig
from nexo_poller.builtins.gmail.tools import gmail_tools
from nexo_poller.builtins.google_calendar.config import CalendarConfig
from nexo_poller.builtins.google_calendar.poller import _fields
from nexo_poller.config.fields import fields_of
from nexo_poller.google.accounts import GoogleAccounts

GMAIL: Final = ROOT.joinpath("docs", "howto", "gmail.md").read_text()
CALENDAR: Final = ROOT.joinpath("docs", "howto", "google_calendar.md").read_text()


@pytest.mark.parametrize("page", [GMAIL, CALENDAR], ids=["gmail", "google_calendar"])
def test_the_configuration_is_sound(tmp_path: Path, page: str) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    tmp_path.joinpath("config", "secrets").mkdir(parents=True)
    tmp_path.joinpath("config", "pollers.yaml").write_text(shown)
    for path in re.findall(r"secrets/[\w.]+", shown):
        file = tmp_path.joinpath("config", path)
        file.touch(mode=0o600)
        file.write_text("x")
    nexo_poller("check", "--strict", cwd=tmp_path)


@pytest.mark.parametrize(("page", "config"), [(GMAIL, GmailConfig), (CALENDAR, CalendarConfig)])
def test_every_key_is_in_the_table_with_its_default(page: str, config: type) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*?)\|", page.partition("| tool |")[0], re.MULTILINE))
    defaults = {field.key: default(field.default) for field in fields_of(config)}
    assert {key: said.strip() for key, said in rows.items() if said.strip() != "as above"} == {
        key: value for key, value in defaults.items() if rows[key].strip() != "as above"
    }
    assert rows.keys() == defaults.keys()


def test_every_field_of_a_message_is_named() -> None:
    assert all(f"{{{name}}}" in GMAIL for name in OWN_FIELDS)
    assert all(f"{{{name}}}" in CALENDAR for name in _fields({}))


def test_every_tool_is_in_the_table_with_its_arguments() -> None:
    rows = dict(re.findall(r"^\| `(gmail_\w+)` \|(.*?)\|", GMAIL, re.MULTILINE))
    assert {name: said.strip() for name, said in rows.items()} == {
        tool.name: ", ".join(f"`{argument}`" for argument in tool.parameters["properties"])
        for tool in gmail_tools(GoogleAccounts())
    }
