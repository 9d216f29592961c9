"""docs/reference/config.md: what it says of cron is so. Its keys are made of the code."""

import re
from typing import Final

import pytest
from command import ROOT

from nexo_poller import ConfigError, parse_schedule

CRON: Final = ROOT.joinpath("docs", "reference", "config.md").read_text().partition("## What a cron may say")[2]
FIELDS: Final = ("sec", "min", "hour", "dom", "mon", "dow")


def written(field: str, value: str) -> str:
    """A cron with this value in this field."""
    return " ".join(value if name == field else "*" for name in FIELDS)


def test_everything_in_the_table_is_understood_in_the_fields_that_it_names() -> None:
    rows = re.findall(r"^\| (`.*?) \|.*\| (.*?) \|$", CRON, re.MULTILINE)
    assert len(rows) == 7
    for values, places in rows:
        for field in re.findall(r"`(\w+)`", places) or FIELDS:
            for value in re.findall(r"`(.+?)`", values):
                parse_schedule({"cron": written(field, value)})


@pytest.mark.parametrize("value", re.findall(r"\(`(.+?)`\)", CRON))
def test_what_it_calls_refused_is(value: str) -> None:
    with pytest.raises(ConfigError):
        parse_schedule({"cron": written("hour", value)})
