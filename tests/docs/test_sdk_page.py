"""docs/howto/sdk.md shows the example that runs, and names the environment and the limits as they are."""

import re
from typing import Final

import pytest
from command import ROOT

from nexo_poller.plugins import serve
from nexo_poller.plugins.lines import LONGEST_LINE
from nexo_poller.plugins.peer import LAST_SECONDS

PAGE: Final = ROOT.joinpath("docs", "howto", "sdk.md").read_text()
EXAMPLE: Final = ROOT / "examples" / "plugins" / "python"


@pytest.mark.parametrize(("language", "file"), [("python", "plugin.py"), ("toml", "nexo-plugin.toml")])
def test_what_it_shows_is_the_example(language: str, file: str) -> None:
    assert re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) == [
        EXAMPLE.joinpath(file).read_text()
    ]


def test_it_names_the_environment_as_serve_does() -> None:
    named = set(re.findall(r"`((?:NEXO|NATS)_\w+)", PAGE))
    assert named == set(re.findall(r"`((?:NEXO|NATS)_\w+)", serve.__doc__ or ""))


def test_its_limits_are_those_of_the_wire() -> None:
    assert "at most 4 MB" in PAGE
    assert LONGEST_LINE == 4 * 2**20
    assert "have two seconds" in PAGE
    assert LAST_SECONDS == 2
