"""docs/howto/feeds.md: its table has every key of both kinds; its configuration is checked by test_snippets.py."""

import json
import re
from typing import Any, Final

from attrs import NOTHING, Factory
from command import ROOT

from nexo_poller.builtins.rss import RssConfig
from nexo_poller.builtins.source import MAX_BODY_BYTES
from nexo_poller.builtins.webhook_poll import WebhookPollConfig
from nexo_poller.config.fields import fields_of
from nexo_poller.seen import SMALLEST_RING
from nexo_poller.template import LONGEST_MESSAGE

PAGE: Final = ROOT.joinpath("docs", "howto", "feeds.md").read_text()


def default(value: Any) -> str:
    """As the table shows it: texts without quotes but for the empty one, no newlines."""
    if value is NOTHING:
        return "needed"
    made = value.factory() if isinstance(value, Factory) else value  # type: ignore[arg-type] # a function to mypy
    if made is None:
        return "none"
    shown = json.dumps(made)
    return f"`{shown}`" if made == "" else f"`{shown}`".replace('"', "")


def test_every_key_of_both_kinds_is_in_the_table_with_its_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", PAGE, re.MULTILINE)
    for column, config in ((1, RssConfig), (2, WebhookPollConfig)):
        told = {row[0]: row[column].strip() for row in rows if row[column].strip()}
        assert told == {field.key: default(field.default) for field in fields_of(config)}


def test_its_limits_are_those_of_the_kinds() -> None:
    assert f"cut at {LONGEST_MESSAGE:,} characters" in PAGE
    assert f"of {SMALLEST_RING:,} or more" in PAGE
    assert f"`{MAX_BODY_BYTES}`" in PAGE


def test_every_field_of_an_entry_is_named() -> None:
    (fields,) = re.findall(r"Template fields: (.*)\.", RssConfig.__doc__ or "")
    assert all(f"{{{field}}}" in PAGE for field in fields.split(", "))
