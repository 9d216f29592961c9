"""The way to the real network: httpcore's connection pool, connecting only where a guard allows it.

The guard stands where a name becomes an address and the address a connection, so nothing fits between the check and
the use (DNS rebinding), and however a host is spelled in the URL, what counts is where it leads. TLS is none of its
business: the certificate is checked against the URL's host as ever.
"""

import math
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpcore
import httpx
import trio
from attrs import define, field

from nexo_poller.http.errors import AddressRefused
from nexo_poller.http.guard import Guard, private_too

MOST_IDLE_CONNECTIONS = 32
IDLE_SECONDS = 5.0


@define(eq=False)
class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to those addresses of a host that the guard lets through."""

    _guard: Guard
    _network: httpcore.AsyncNetworkBackend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Try the allowed addresses one after the other, each for its share of `timeout` seconds."""
        began = trio.current_time()
        addresses = self._allowed(host, await _resolve(host, port, timeout))
        left = math.inf if timeout is None else max(0.0, began + timeout - trio.current_time())
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, left / len(addresses), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        """Never: no job speaks to a unix socket."""
        raise httpcore.ConnectError("unix sockets are not for jobs")

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts."""
        await self._network.sleep(seconds)

    def _allowed(self, host: str, addresses: list[str]) -> list[str]:
        against = {address: self._guard(address) for address in addresses}
        allowed = [address for address in addresses if against[address] is None]
        if not allowed and addresses:
            raise _refusal(host, addresses[0], against[addresses[0]] or "")
        return allowed


def _refusal(host: str, address: str, against: str) -> AddressRefused:
    if private_too(address):
        remedy = "no job may connect there"
    else:
        remedy = "set `allow_private_networks: true` in the job's config if that is what it is for"
    return AddressRefused(host=host, address=address, against=against, remedy=remedy)


async def _resolve(host: str, port: int, seconds: float | None) -> list[str]:
    try:
        with trio.fail_after(math.inf if seconds is None else seconds):
            found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    except trio.TooSlowError as error:
        raise httpcore.ConnectTimeout(f"looking up {host} took too long") from error
    except (OSError, UnicodeError) as error:  # UnicodeError: no name at all, such as one with an empty label
        raise httpcore.ConnectError(f"{host} cannot be looked up: {error}") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@define(eq=False)
class PoolTransport(httpx.AsyncBaseTransport):
    """An httpcore pool with the face of an httpx transport; httpx's own takes no network backend."""

    _pool: httpcore.AsyncConnectionPool

    @classmethod
    def guarded_by(cls, guard: Guard, ssl_context: ssl.SSLContext) -> "PoolTransport":
        """A new pool. How many connections it has is bounded per host, and by the number of ticks at once."""
        return cls(
            httpcore.AsyncConnectionPool(
                ssl_context=ssl_context,
                max_connections=None,
                max_keepalive_connections=MOST_IDLE_CONNECTIONS,
                keepalive_expiry=IDLE_SECONDS,
                http2=False,
                network_backend=GuardedNetwork(guard, httpcore.TrioBackend()),
            )
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request on a connection of the pool."""
        with _httpx_errors():
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_PoolStream(answer), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


@define(eq=False)
class _PoolStream(httpx.AsyncByteStream):
    _answer: httpcore.Response
    _chunks: AsyncIterator[bytes] = field(init=False)

    @_chunks.default
    def _all_chunks(self) -> AsyncIterator[bytes]:
        return self._answer.aiter_stream()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with _httpx_errors():
            return await anext(self._chunks)

    async def aclose(self) -> None:
        # httpcore nests generators, and trio warns of each that is left half-way: let them end where they wait for more
        try:
            with suppress(httpcore.ReadError, httpcore.RemoteProtocolError), trio.CancelScope() as scope:
                scope.cancel()
                async for _ in self._chunks:
                    pass
        finally:
            await self._answer.aclose()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Raise httpcore's errors as httpx's, which have the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        counterpart: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise counterpart(str(error)) from error
