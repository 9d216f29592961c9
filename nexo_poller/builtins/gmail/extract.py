"""Users' patterns, run on strangers' text for a limited time.

⚗ The standard library's `re` cannot be stopped and holds the interpreter; 26 characters can keep it for seconds. `regex`
has a timeout, and gives the interpreter up while it searches.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import regex
import trio

from nexo_poller.builtins.gmail.mail import Mail
from nexo_poller.errors import Problem

AT_ONCE_SECS: Final = 0.01  # on the loop; nearly every mail takes far less, and a thread's turn takes as long
PATIENCE_SECS: Final = 2.0


class ExtractTooSlow(Exception):
    """The patterns took too long on one mail."""

    def __init__(self) -> None:
        super().__init__(f"the patterns of `extract` took more than {PATIENCE_SECS:g} s on it (make them simpler)")


def pattern_problems(extract: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the patterns."""
    for name, pattern in extract.items():
        try:
            groups = regex.compile(pattern).groups
        except (regex.error, RecursionError, OverflowError) as error:
            yield Problem(
                key=("extract", name), what=f"the pattern is wrong: {error}", remedy="see the `regex` package"
            )
            continue
        if not groups:
            yield Problem(key=("extract", name), what="nothing would be extracted", remedy="put it in (parentheses)")


async def extracted(mail: Mail, extract: Mapping[str, str]) -> dict[str, str]:
    """What the first group of each pattern matches in the mail's text, else in its snippet; those without a match lack.

    Raises `ExtractTooSlow`.
    """
    await trio.lowlevel.checkpoint()
    try:
        return _extracted(mail, extract, AT_ONCE_SECS)
    except TimeoutError:
        pass
    try:
        return await trio.to_thread.run_sync(_extracted, mail, extract, PATIENCE_SECS, abandon_on_cancel=True)
    except TimeoutError as error:
        raise ExtractTooSlow from error


def _extracted(mail: Mail, extract: Mapping[str, str], secs: float) -> dict[str, str]:
    """Raises `TimeoutError` if that takes longer."""
    found = {}
    for name, pattern in extract.items():
        for text in (mail.text, mail.snippet):
            match = regex.search(pattern, text, timeout=secs / len(extract), concurrent=True)
            if match and (value := (match[1] or "").strip()):
                found[name] = value
                break
    return found
