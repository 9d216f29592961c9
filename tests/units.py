"""The systemd units that pages show."""

import re

from attrs import frozen
from snippets import snippets


@frozen
class Unit:
    """The keys of a unit."""

    keys: dict[str, str]

    def argv(self, key: str) -> list[str]:
        """The command of this key."""
        return self.keys[key].split()


def unit(page: str, swap: dict[str, str]) -> Unit:
    """The unit that the page shows, with texts such as its folders swapped for others."""
    (shown,) = (snippet.code for snippet in snippets(page) if snippet.language == "ini")
    for text, instead in swap.items():
        shown = shown.replace(text, instead)
    return Unit(dict(re.findall(r"^(\w+)=(.*)$", shown, re.MULTILINE)))
