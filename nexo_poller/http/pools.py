"""The connection pools that all jobs of a runner share."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
from attrs import define

from nexo_poller.clock import Clock, SystemClock
from nexo_poller.http.guard import private_too, public_only
from nexo_poller.http.hosts import Hosts
from nexo_poller.http.user_agent import user_agent
from nexo_poller.http.view import View, ViewTransport

MAX_BODY_BYTES = 10 * 2**20
REQUEST_TIMEOUT = timedelta(seconds=30)
SYSTEM_CLOCK = SystemClock()
LIMITS_IN_CONFIG = ("allow_private_networks", "max_body_bytes")


@define(eq=False, kw_only=True)
class HttpPools:
    """Two pools of connections, one for public addresses only, and the manners that all who use them share.

    There are two because a pooled connection is used again without a connect, and so without the guard (O1).
    """

    _public: httpx.AsyncBaseTransport
    _private: httpx.AsyncBaseTransport
    _hosts: Hosts
    _clock: Clock
    _request_timeout: timedelta
    _own_headers: httpx.Headers

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        clock: Clock = SYSTEM_CLOCK,
        transport: httpx.AsyncBaseTransport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        request_timeout: timedelta = REQUEST_TIMEOUT,
    ) -> AsyncIterator["HttpPools"]:
        """Pools for as long as the block lasts; on leaving it every connection is closed.

        `transport`, such as `httpx.MockTransport`, takes the network's place, guard included, and every other rule
        stays (O5). `ssl_context` replaces httpx's own, which trusts certifi's authorities, or those that the
        environment's SSL_CERT_FILE and SSL_CERT_DIR name. `clock` is what dates in Retry-After are compared with.
        """
        pools = cls.opened(clock=clock, transport=transport, ssl_context=ssl_context, request_timeout=request_timeout)
        try:
            yield pools
        finally:
            await pools.aclose()

    @classmethod
    def opened(
        cls,
        *,
        clock: Clock = SYSTEM_CLOCK,
        transport: httpx.AsyncBaseTransport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        request_timeout: timedelta = REQUEST_TIMEOUT,
    ) -> "HttpPools":
        """The same without a block, for who cannot wait at the place where they are first needed: `aclose` them."""
        if transport:
            public = private = transport
        else:
            # httpcore takes a quarter of the time in which this package is imported
            from nexo_poller.http.network import PoolTransport

            ssl_context = ssl_context or httpx.create_ssl_context()
            public = PoolTransport.guarded_by(public_only, ssl_context)
            private = PoolTransport.guarded_by(private_too, ssl_context)
        return cls(
            public=public,
            private=private,
            hosts=Hosts(),
            clock=clock,
            request_timeout=request_timeout,
            own_headers=httpx.Headers({"User-Agent": user_agent(), "Accept-Encoding": "gzip, identity"}),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._public.aclose()
        await self._private.aclose()

    def client_for(self, config: object) -> httpx.AsyncClient:
        """A client with the limits that a job's typed `config` sets, if it has such fields."""
        return self.client(**{name: getattr(config, name) for name in LIMITS_IN_CONFIG if hasattr(config, name)})

    def client(
        self, *, allow_private_networks: bool = False, max_body_bytes: int = MAX_BODY_BYTES
    ) -> httpx.AsyncClient:
        """A client for one job, or for one tick of it; it costs little and need not be closed.

        A hold that its own answers caused does not bind this client, only all others.
        """
        transport = ViewTransport(
            network=self._private if allow_private_networks else self._public,
            hosts=self._hosts,
            clock=self._clock,
            request_timeout=self._request_timeout,
            max_body_bytes=max_body_bytes,
        )
        return View(transport, own_headers=self._own_headers, request_timeout=self._request_timeout)
