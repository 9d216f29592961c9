"""How long a server asks to be left alone."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(hours=24)  # T10
ENOUGH_DIGITS = 10  # already more than the longest wait; int() refuses 4,300 of them


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The wait that a Retry-After header asks for, 0 s ... 24 h; None if there is none or it makes no sense.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3), which is compared with `now` (aware). `headers` finds
    names in any case, as `httpx.Headers` does.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[+-]?[0-9]+", text):
        wait = timedelta(seconds=int(text[:ENOUGH_DIGITS]))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        # a date in GMT may come without a zone: "-0000" means UTC of unknown origin
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta()), LONGEST_WAIT)
