"""docs/howto/feeds.md: its table has every key of both kinds; its configuration is checked by test_snippets.py."""

import re
from typing import Final

from command import ROOT
from defaults import default

from nexo_poller.builtins.rss import RssConfig
from nexo_poller.builtins.source import MAX_BODY_BYTES
from nexo_poller.builtins.webhook_poll import WebhookPollConfig
from nexo_poller.config.fields import fields_of
from nexo_poller.seen import SMALLEST_RING
from nexo_poller.template import LONGEST_MESSAGE

PAGE: Final = ROOT.joinpath("docs", "howto", "feeds.md").read_text()


def test_every_key_of_both_kinds_is_in_the_table_with_its_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", PAGE, re.MULTILINE)
    for column, config in ((1, RssConfig), (2, WebhookPollConfig)):
        told = {row[0]: row[column].strip() for row in rows if row[column].strip()}
        assert told == {field.key: default(field.default) or "needed" for field in fields_of(config)}


def test_its_limits_are_those_of_the_kinds() -> None:
    assert f"cut at {LONGEST_MESSAGE:,} characters" in PAGE
    assert f"of {SMALLEST_RING:,} or more" in PAGE
    assert f"`{MAX_BODY_BYTES}`" in PAGE


def test_every_field_of_an_entry_is_named() -> None:
    (fields,) = re.findall(r"Template fields: (.*)\.", RssConfig.__doc__ or "")
    assert all(f"{{{field}}}" in PAGE for field in fields.split(", "))
