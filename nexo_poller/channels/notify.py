"""The channels of Apprise, from `tgram://…` to `mailto://…`: an event's text as a notification.

Apprise says yes or no, never why. So a no is taken to be about the moment: it does not count against the message, which
is tried again until it goes through, and holds back what is behind it in its own lane, but is never lost.
"""

import json
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import trio
from attrs import frozen

from nexo_poller.broker import Event
from nexo_poller.channels.hops import Hop
from nexo_poller.channels.recipient import PLACE, filled_in
from nexo_poller.errors import BrokerUnavailable, MessageRejected, Problem

SECONDS: Final = 60
AT_ONCE: Final = 16


@frozen
class Notify:
    """Sends events' texts to the Apprise URL `url`, in which `{to}` is filled in."""

    url: str
    hop: Hop

    async def __call__(self, event: Event) -> None:
        """Return when Apprise says that it has sent the text.

        Raises:
            MessageRejected: there is no text, or no `to` that the URL could take.
            BrokerUnavailable: Apprise says no, or has said nothing for 60 s.
        """
        text = text_of(event.payload)
        if not text.strip():
            raise MessageRejected("the payload's text is empty, and Apprise sends no empty notification")
        call = partial(_notify, filled_in(self.url, event.payload), text)
        try:
            with trio.fail_after(SECONDS):
                await self.hop(call)
        except trio.TooSlowError as error:
            raise BrokerUnavailable(f"{_scheme(self.url)}: Apprise was not done within {SECONDS} s") from error


def text_of(payload: Any) -> str:
    """The payload's `text`, or the payload if it is text itself, or else its JSON."""
    text = payload.get("text") if isinstance(payload, Mapping) else payload
    return text if isinstance(text, str) else json.dumps(payload, ensure_ascii=False)


def _notify(url: str, text: str) -> None:
    import apprise

    service = apprise.Apprise.instantiate(url)
    if service is None:  # it was fine before `to` was filled in
        raise MessageRejected(f"{_scheme(url)}: Apprise cannot send to what the payload has in `to`")
    notifier = apprise.Apprise(service)
    if not notifier.notify(body=text, body_format=apprise.NotifyFormat.TEXT):
        raise BrokerUnavailable(f"{_scheme(url)}: Apprise could not send it (its logger 'apprise' says why)")


def url_problem(url: str) -> Problem | None:
    """What is wrong with an Apprise URL. With `{to}` in it, only its scheme is looked at."""
    try:
        with warnings.catch_warnings(action="ignore"):  # some services use what Python will not have for long
            import apprise
            from apprise.plugins import N_MGR

            is_known = _scheme(url).removesuffix("://") in N_MGR  # which loads all services
    except ModuleNotFoundError:
        return Problem(
            what=f"{_scheme(url)} is sent by Apprise, which is not installed",
            remedy='pip install "nexo-poller[channels]"',
        )
    if not is_known:
        return Problem(
            what=f"{_scheme(url)} is none of Apprise's schemes",
            remedy="use `stdout`, http(s)://, or a scheme of https://appriseit.com/services/",
        )
    if PLACE not in url and apprise.Apprise.instantiate(url) is None:
        return Problem(
            what=f"its {_scheme(url)} URL is not complete, or wrong in some part",
            remedy="compare it with https://appriseit.com/services/",
        )
    return None


def _scheme(url: str) -> str:
    """All of the URL that may be shown (O2)."""
    scheme, slashes, _ = url.partition("://")
    return scheme.lower() + slashes
