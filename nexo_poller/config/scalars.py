"""What an unquoted word of YAML means: the core schema of YAML 1.2.2 (chapter 10.3.2).

So `yes`, `on`, `12:30` and a date are text, and `0123` is a number. Numbers that JSON could not hold are refused.
"""

import math
import re
from typing import Final

WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER: Final = re.compile(r"[-+]?[0-9]+")
BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MAX_DIGITS: Final = 300  # within what a float can hold, and below the limit at which int() refuses


class NotFiniteError(ValueError):
    """Infinity, no number at all, or a number beyond every bound."""


def resolve(word: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar. Raises `NotFiniteError`."""
    if word in WORDS:
        return WORDS[word]
    if word[0] not in "+-.0123456789":
        return word
    if NOT_FINITE.fullmatch(word):
        raise NotFiniteError(word)
    if BASED.fullmatch(word):
        return int(_of_sane_length(word), base=0)
    if INTEGER.fullmatch(word):
        return int(_of_sane_length(word))
    if FLOAT.fullmatch(word):
        number = float(word)
        if not math.isfinite(number):
            raise NotFiniteError(word)
        return number
    return word


def _of_sane_length(digits: str) -> str:
    if len(digits) > MAX_DIGITS:
        raise NotFiniteError(f"{digits[:20]}…")
    return digits
