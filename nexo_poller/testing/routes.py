"""What servers say in a test: addresses and the handlers behind them, with or without a network.

    routes["https://jira.example/search"] = answer(json={"issues": []})
    routes["POST /orders"] = in_turn(rate_limited(timedelta(minutes=2)), answer(201))

A handler takes an `httpx.Request`, body read, and returns an `httpx.Response`, or an awaitable of one. One that raises
`httpx.TransportError` stands for a connection that failed. Anything else it raises looks so to the poller, and fails the
test once the tick is over.
"""

import inspect
from collections.abc import Awaitable, Callable

import httpx
import trio
from attrs import define, field

from nexo_poller.words import counted

Handler = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


class NoRoute(LookupError):
    """A poller asked for an address that the test says nothing about."""


@define(eq=False, repr=False)
class Routes:
    """Handlers by address, and the `requests` that came, in order, whether there was a handler or not.

    An address is a whole URL without its query, or a path alone, which then is that path on any host; in front of it a
    method may stand. The closest fit wins: whole before path, with a method before without. `otherwise`, where it is
    given, answers at all others, which are `NoRoute` without it.
    """

    otherwise: Handler | None = None
    requests: list[httpx.Request] = field(factory=list, init=False)
    failures: list[Exception] = field(factory=list, init=False)
    _handlers: dict[str, Handler] = field(factory=dict, init=False)

    def __repr__(self) -> str:
        return f"<Routes: {', '.join(self._handlers) or 'none'}; {counted(len(self.requests), 'request')}>"

    def __setitem__(self, address: str, handler: Handler) -> None:
        """From now on `handler` answers at `address`. Raises `ValueError` for one that is no URL, path, or either with a method."""
        method, _, target = address.rpartition(" ")
        if not target.startswith(("/", "http://", "https://")) or "?" in target or method != method.upper():
            raise ValueError(
                f"'{address}' is no address of a route: write 'https://host/path', '/path' or 'POST /path', without a query"
            )
        self._handlers[_normal(address)] = handler

    def __delitem__(self, address: str) -> None:
        """Forget the handler at `address`. Raises `KeyError`."""
        del self._handlers[_normal(address)]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer to `request`, as `httpx.MockTransport` asks for it."""
        await request.aread()
        self.requests.append(request)
        await trio.lowlevel.checkpoint()  # as on any network, a tick can be cancelled while it waits for the answer
        try:
            answered = self._handler(request)(request)
            return await answered if inspect.isawaitable(answered) else answered
        except httpx.TransportError:
            raise
        except Exception as error:
            self.failures.append(error)
            raise httpx.RemoteProtocolError(f"the server failed: {error!r}", request=request) from error

    def check(self) -> None:
        """Raise the first thing that went wrong in a handler, if anything did."""
        if self.failures:
            raise self.failures.pop(0)

    def _handler(self, request: httpx.Request) -> Handler:
        whole, path = _whole(request.url), request.url.path
        for address in (f"{request.method} {whole}", whole, f"{request.method} {path}", path):
            if address in self._handlers:
                return self._handlers[address]
        if self.otherwise is not None:
            return self.otherwise
        known = ", ".join(f"'{address}'" for address in self._handlers) or "none"
        raise NoRoute(
            f"{request.method} {whole} has no route; the routes are: {known} (add one: harness.http['{path}'] = answer(json=…))"
        )


def _normal(address: str) -> str:
    """`address`, a whole one as a request for it would write it."""
    method, space, target = address.rpartition(" ")
    return address if target.startswith("/") else f"{method}{space}{_whole(httpx.URL(target))}"


def _whole(url: httpx.URL) -> str:
    """`url` without query and fragment, with a path: without one it is the same as with `/` (RFC 3986, 6.2.3)."""
    return str(url.copy_with(raw_path=url.raw_path.partition(b"?")[0], fragment=None))
