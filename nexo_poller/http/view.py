"""One job's view on a shared pool: an `httpx.AsyncClient` that costs next to nothing to make and to forget.

The client follows redirects itself, through httpx's public `next_request`; everything that holds for a single exchange
(places, holds, limits) sits in the transport below it, out of the caller's reach.
"""

from contextlib import aclosing
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast

import httpx
from attrs import define

from nexo_poller.clock import Clock
from nexo_poller.http.body import Body
from nexo_poller.http.deadline import Deadline
from nexo_poller.http.hosts import Hosts
from nexo_poller.http.redirects import checked_step, same_origin
from nexo_poller.http.retry_after import retry_after

MOST_REDIRECTS = 5
CONNECT_SECONDS = 10.0
NO_COOKIES = DefaultCookiePolicy(allowed_domains=())  # a server's are not kept, not even for the next request
DEADLINE = "nexo_poller.deadline"  # the key among a request's extensions, which httpx hands on over redirects
HOLDING_STATUS = (429, 503)


@define(eq=False, kw_only=True)
class ViewTransport(httpx.AsyncBaseTransport):
    """A single exchange with a host: wait for a place, send, note what the host asks for, limit the body."""

    _network: httpx.AsyncBaseTransport
    _hosts: Hosts
    _clock: Clock
    _request_timeout: timedelta
    _max_body_bytes: int

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body still on the way. Waiting for a place does not count against the deadline.

        Raises:
            HostHeld: the host asked another job to stay away; no connection was made.
        """
        host = request.url.netloc.decode()
        # an auth flow of the caller's may come with requests of its own, which `View.send` has not seen
        deadline: Deadline = request.extensions.get(DEADLINE) or Deadline.after(self._request_timeout)
        with deadline.paused():
            place = await self._hosts.enter(host, self)
        try:
            with deadline.enforced():
                answer = await self._network.handle_async_request(request)
        except BaseException:
            place.give_back()
            raise
        if answer.status_code in HOLDING_STATUS and (wait := retry_after(answer.headers, self._clock.now())):
            self._hosts.hold(host, wait, asked_of=self)
        body = Body(
            wire=cast("httpx.AsyncByteStream", answer.stream),  # or the transport breaks httpx's rules
            content_encoding=answer.headers.get("Content-Encoding", ""),
            limit=self._max_body_bytes,
            deadline=deadline,
            place=place,
        )
        return httpx.Response(
            answer.status_code, headers=_unpacked(answer.headers), stream=body, extensions=answer.extensions
        )

    async def aclose(self) -> None:
        """Nothing: the pool belongs to the runner."""


def _unpacked(headers: httpx.Headers) -> httpx.Headers:
    """What describes a body that httpx has nothing to unpack of."""
    if "Content-Encoding" in headers:
        headers = headers.copy()
        del headers["Content-Encoding"]
        headers.pop("Content-Length", None)
    return headers


class View(httpx.AsyncClient):
    """The client of one job. Closing it closes nothing that others use."""

    def __init__(self, transport: ViewTransport, *, own_headers: httpx.Headers, request_timeout: timedelta) -> None:
        super().__init__(
            transport=transport,
            headers=own_headers,
            cookies=CookieJar(NO_COOKIES),
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            follow_redirects=True,
            max_redirects=MOST_REDIRECTS,
            trust_env=False,
        )
        self._own_headers = own_headers
        self._request_timeout = request_timeout

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        follow_redirects: Any = httpx.USE_CLIENT_DEFAULT,
    ) -> httpx.Response:
        """The answer to `request`, or to what it redirects to; see `httpx.AsyncClient.send`.

        Raises:
            RequestTooSlow: all of it together took too long.
            httpx.TooManyRedirects: the sixth redirect in a row.
            RedirectRefused: a redirect from https to http.
        """
        if follow_redirects is httpx.USE_CLIENT_DEFAULT:
            follow_redirects = self.follow_redirects
        request.extensions = {**request.extensions, DEADLINE: Deadline.after(self._request_timeout)}
        history: list[httpx.Response] = []
        for _ in range(self.max_redirects + 1):
            response = await super().send(request, stream=stream, auth=auth, follow_redirects=False)
            response.history = [*history, *response.history]
            following = response.next_request
            if following is None or not follow_redirects:
                return response
            async with aclosing(response):
                await response.aread()  # so that the connection can be used again
            history = [*response.history, response]
            if not same_origin(request.url, following.url):
                auth = None
            request = checked_step(request, following, self._own_headers)
        raise httpx.TooManyRedirects(f"more than {self.max_redirects} redirects", request=request)
