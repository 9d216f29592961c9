"""docs/howto/sdk.md names the environment and the limits as they are."""

import re
from typing import Final

from command import ROOT

from nexo_poller.plugins import serve
from nexo_poller.plugins.lines import LONGEST_LINE
from nexo_poller.plugins.peer import LAST_SECONDS

PAGE: Final = ROOT.joinpath("docs", "howto", "sdk.md").read_text()


def test_it_names_the_environment_as_serve_does() -> None:
    named = set(re.findall(r"`((?:NEXO|NATS)_\w+)", PAGE))
    assert named == set(re.findall(r"`((?:NEXO|NATS)_\w+)", serve.__doc__ or ""))


def test_its_limits_are_those_of_the_wire() -> None:
    assert "at most 4 MB" in PAGE
    assert LONGEST_LINE == 4 * 2**20
    assert "have two seconds" in PAGE
    assert LAST_SECONDS == 2
