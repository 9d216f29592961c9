"""Topics and the patterns that select them: subjects as NATS has them.

A topic is a list of tokens with dots between them. In a pattern the token `*` stands for any one token, and a last `>`
for one or more. Source: https://docs.nats.io/nats-concepts/subjects.
"""

import re
from typing import Final

from attrs import Factory, field, frozen

LONGEST: Final = 1024  # characters; NATS takes 4 KB for a whole line of its protocol
UNPRINTABLE: Final = re.compile(r"[\s\x00-\x1f\x7f]")
ORDINARY: Final = r"[^\s.*>\x00-\x1f\x7f]+"
TOPIC: Final = re.compile(rf"{ORDINARY}(?:\.{ORDINARY})*")
PATTERN: Final = re.compile(rf"(?:(?:{ORDINARY}|\*)\.)*(?:{ORDINARY}|\*|>)")
STANDS_FOR: Final = {"*": r"[^.]+", ">": ".+"}


def topic_fault(topic: str) -> str | None:
    """What keeps `topic` from being one, as the end of a sentence that begins with its name; None if it is fine."""
    if len(topic) <= LONGEST and TOPIC.fullmatch(topic):
        return None
    return _fault(topic) or "has a wildcard (`*` and `>` stand in patterns only)"


def _checked(_instance: object, _attribute: object, text: str) -> None:
    if len(text) > LONGEST or not PATTERN.fullmatch(text):
        fault = _fault(text) or "has a wildcard out of place (`*` stands for a whole token, `>` for the whole rest)"
        raise ValueError(f"the pattern '{text}' {fault}")


def _fault(subject: str) -> str | None:
    if len(subject) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if UNPRINTABLE.search(subject):
        return "has a space or a control character"
    if "" in subject.split("."):
        return "has an empty token (it is empty, or has a dot at an end or next to another)"
    return None


def _regex(pattern: "Pattern") -> re.Pattern[str]:
    return re.compile(r"\.".join(STANDS_FOR.get(token, re.escape(token)) for token in pattern.text.split(".")))


@frozen
class Pattern:
    """Which topics a subscriber wants. Raises `ValueError`, saying what is wrong, if `text` is no pattern."""

    text: str = field(validator=_checked)
    _regex: re.Pattern[str] = field(init=False, eq=False, repr=False, default=Factory(_regex, takes_self=True))

    def matches(self, topic: str) -> bool:
        """Whether `topic`, which is taken to be a valid one, is among them."""
        return self._regex.fullmatch(topic) is not None
