"""The channel `http(s)://…`: every event is posted as JSON."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import trio
from attrs import frozen

from nexo_poller.broker import Event
from nexo_poller.channels.recipient import PLACE, filled_in
from nexo_poller.clock import Clock
from nexo_poller.errors import BrokerUnavailable, MessageRejected, Problem
from nexo_poller.event import event_json
from nexo_poller.http.retry_after import retry_after
from nexo_poller.http.user_agent import user_agent

CONNECT_SECONDS: Final = 10
WHOLE_SECONDS: Final = 30
KEPT_CONNECTIONS: Final = 32
REST_SECONDS: Final = 1
REST_BYTES: Final = 65_536
ABOUT_THE_MOMENT: Final = frozenset({408, 425, 429})  # client errors that do not refuse the message (M4)


@frozen(kw_only=True)
class Post:
    """Posts events to `url`, in which `{to}` is filled in. An event's id is its `Idempotency-Key`.

    Errors name the host and nothing else of the URL (O2).
    """

    url: str
    client: httpx.AsyncClient
    clock: Clock

    async def __call__(self, event: Event) -> None:
        """Return when the receiver has answered 2xx.

        Raises:
            MessageRejected: it answered 4xx, other than 408, 425 and 429, or the event has no `to` for the URL.
            BrokerUnavailable: it answered anything else, a redirect included, or not within 30 s, or is not there.
        """
        response = await self._answer(event)
        if response.is_success:
            return
        reason = f"{response.request.url.host} answered {response.status_code}"
        if response.is_client_error and response.status_code not in ABOUT_THE_MOMENT:
            raise MessageRejected(reason)
        if response.has_redirect_location:
            reason = f"{reason}, a redirect, and those are not followed (let the channel's URL lead to where it ends)"
        raise BrokerUnavailable(reason, retry_after=retry_after(response.headers, self.clock.now()))

    async def _answer(self, event: Event) -> httpx.Response:
        """The response, whatever happens after its status is known."""
        request = self._request(event)
        response: httpx.Response | None = None
        with trio.move_on_after(WHOLE_SECONDS):
            try:
                response = await self.client.send(request, stream=True)
                await _read_rest(response)
            except httpx.HTTPError as error:
                if response is None:
                    raise BrokerUnavailable(f"{request.url.host}: {type(error).__name__}: {error}") from error
        if response is None:
            raise BrokerUnavailable(f"{request.url.host} did not answer within {WHOLE_SECONDS} s")
        return response

    def _request(self, event: Event) -> httpx.Request:
        headers = {"Content-Type": "application/json", "Idempotency-Key": event.id}
        try:
            return self.client.build_request(
                "POST", filled_in(self.url, event.payload), content=event_json(event), headers=headers
            )
        except httpx.InvalidURL as error:
            raise MessageRejected(f"with this `to`, the channel's URL is none any more: {error}") from error


async def _read_rest(response: httpx.Response) -> None:
    """Read on to the end, if it is near: only then the connection can be used again."""
    if response.is_closed:  # an in-memory transport's is at its end already
        return
    read = 0
    with trio.move_on_after(REST_SECONDS) as scope:
        try:
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > REST_BYTES:
                    scope.cancel()  # a `break` would leave httpx's generators standing half-way
        finally:
            await response.aclose()


@asynccontextmanager
async def open_client(transport: httpx.AsyncBaseTransport | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """The client that all posting channels share.

    Their addresses are the operator's own, so no guard is in its way (O1). The relay limits how much it does at once:
    with limits of its own, one slow receiver could take up the places of all others.
    """
    async with httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_keepalive_connections=KEPT_CONNECTIONS),
        headers={"User-Agent": user_agent(), "Accept-Encoding": "identity"},
    ) as client:
        yield client


def url_problem(url: str) -> Problem | None:
    """What is wrong with an http(s) URL."""
    try:
        host = httpx.URL(url).host
        place_outside_path = PLACE in urlsplit(url).netloc
    except (httpx.InvalidURL, ValueError) as error:
        return Problem(what=f"its URL cannot be used: {error}")
    if not host:
        return Problem(what="its URL has no host")
    if place_outside_path:
        return Problem(what="its URL has `{to}` in its host", remedy="use `{to}` in the path or in the query")
    return None
