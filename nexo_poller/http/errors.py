"""What `ctx.http` raises besides httpx's own errors, and what all of them mean for a tick.

    httpx.HTTPError
    ├── ConnectError      → AddressRefused
    ├── TimeoutException  → RequestTooSlow
    └── RequestError      → BodyTooLarge, RedirectRefused

All are transient, `AddressRefused` too: what a name resolves to is in the hands of the network, and where a redirect
leads in those of the server, and neither shall be able to pause a job for good.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx

from nexo_poller.errors import PermanentError, TransientError

LONGEST_REASON = 300  # parts of it may come from the server


class AddressRefused(httpx.ConnectError):
    """The guard does not let this job connect there: `host` resolves to `address`, and `against` says what that is."""

    def __init__(self, *, host: str, address: str, against: str, remedy: str) -> None:
        where = host if host == address else f"{host} ({address})"
        super().__init__(f"refused to connect to {where}: it is {against} ({remedy})")
        self.host = host
        self.address = address
        self.against = against


class RequestTooSlow(httpx.TimeoutException):
    """The whole request, redirects and body included, took longer than it may."""

    def __init__(self, limit: timedelta) -> None:
        super().__init__(f"not finished within {limit.total_seconds():g} s, redirects and body included")


class BodyTooLarge(httpx.RequestError):
    """The body is longer than `limit` bytes, as it travels or unpacked; reading stopped there."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the body is longer than {limit:,} bytes (a larger `max_body_bytes` in the job's config allows it)"
        )
        self.limit = limit


class RedirectRefused(httpx.RequestError):
    """The server redirects to where no job is led: from https to http, or to another scheme."""


@contextmanager
def tick_errors() -> Iterator[None]:
    """Inside the block, what a client raises comes out as a tick's error that names the host, with its cause.

    Neither query nor userinfo of the URL is in the message (O2). `HostHeld` passes through as it is.

    Raises:
        PermanentError: the URL cannot be used.
        TransientError: anything else that went wrong on the way: network, TLS, timeout, protocol, guard, body.
    """
    try:
        yield
    except httpx.UnsupportedProtocol as error:
        raise PermanentError(f"the URL cannot be used: {error}") from error
    except httpx.InvalidURL as error:
        # what comes after the colon is a part of the URL, and may be one of the password
        complaint = str(error).partition(":")[0]
        raise PermanentError(f"the URL cannot be used: {complaint} (escape user and password with %)") from None
    except httpx.RequestError as error:
        raise TransientError(f"{error.request.url.netloc.decode()}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The error's kind and text; for one without a text (a failed TLS handshake), those of what caused it."""
    cause = error.__cause__ or error.__context__
    if not str(error) and cause:
        return _reason(cause)
    return f"{type(error).__name__}: {error}"[:LONGEST_REASON]
