"""Whom an event is for, in a channel's URL. Pure."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from nexo_poller.errors import MessageRejected

PLACE: Final = "{to}"


def filled_in(url: str, payload: Any) -> str:
    """`url` with every `{to}` replaced by the payload's `to`, percent-encoded.

    Raises `MessageRejected` if the URL wants a `to` and the payload has none that could stand there.
    """
    if PLACE not in url:
        return url
    to = payload.get("to") if isinstance(payload, Mapping) else None
    if not isinstance(to, str | int) or to == "":
        raise MessageRejected("the channel's URL has a place for `{to}`, but the payload names nobody in `to`")
    if to in (".", ".."):
        raise MessageRejected("`to` consists of dots, which in a URL would lead to another path")
    return url.replace(PLACE, quote(str(to), safe=""))
