"""The hint for a word that is nearly one that is known."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'rss'?`, or nothing where no known word is near."""
    by_lowercase = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lowercase, n=1)
    return f"did you mean '{by_lowercase[near[0]]}'?" if near else ""
