"""A running daemon, spoken to by HTTP through its admin server, on TCP or on a unix socket."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import click
import httpx
from attrs import define, field, frozen

from nexo_poller.cli.running import run
from nexo_poller.config.binds import OURS
from nexo_poller.logs import escape

CONNECT_SECS: Final = 5.0
ANSWER_SECS: Final = 30.0
UNAUTHORIZED: Final = 401
SILENCE_SECS: Final = 60.0  # a stream of events says every 15 s at least that it is still there
NO_DEADLINE: Final = None  # a tick takes as long as its job may; the daemon has deadlines of its own


@frozen(kw_only=True)
class Daemon:
    """Where a daemon's admin server is, and what it wants to be shown. `place` says where that is, and who said so."""

    place: str
    url: str = "http://localhost"
    socket: Path | None = None
    token: str | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """One request, for callers without a trio of their own: see `Connection.ask`."""

        async def once() -> Any:
            async with self.connected() as connection:
                return await connection.ask(method, path, **more)

        return run(once)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Connection"]:
        """A way to ask. Nothing is sent before the first question."""
        transport = httpx.AsyncHTTPTransport(
            uds=None if self.socket is None else str(self.socket),
            verify=self.url.startswith("https:"),  # loading the authorities takes longer than most answers
            trust_env=False,
        )
        async with httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"} if self.token else None,
            timeout=httpx.Timeout(ANSWER_SECS, connect=CONNECT_SECS),
            transport=transport,
            trust_env=False,  # a proxy is for the outside
        ) as client:
            yield Connection(self, client)


class NoDaemon(click.ClickException):
    """Nobody answers there."""

    exit_code = 3

    def __init__(self, place: str, why: object) -> None:
        reason = escape(str(why) or type(why).__name__)
        super().__init__(
            f"no daemon answers at {place}: {reason} (start `nexo-poller serve`, or say where with --admin)"
        )


class DaemonRefused(click.ClickException):
    """The daemon answered, and the answer is no; the message is its own."""

    def __init__(self, error: str) -> None:
        super().__init__("\n".join(map(escape, error.splitlines())))


@define(eq=False)
class Connection:
    """Questions to a daemon. All raise `NoDaemon`, or `DaemonRefused` with the daemon's own words."""

    daemon: Daemon
    _client: httpx.AsyncClient

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        patience_secs: float | None = ANSWER_SECS,
    ) -> Any:
        """The JSON of the answer, which may take `patience_secs` to come."""
        timeout = httpx.Timeout(patience_secs, connect=CONNECT_SECS)
        with self._reached():
            answer = await self._client.request(method, path, params=query, json=body, timeout=timeout)
        return self._accepted(answer)

    async def events(self, job_id: str | None) -> AsyncGenerator[tuple[str, Any], None]:
        """The daemon's events from now on, or those of one job, each its kind and its data.

        Raises `NoDaemon` when the daemon ends, or has not even said for a minute that it is still there.
        """
        query = {} if job_id is None else {"job": job_id}
        timeout = httpx.Timeout(SILENCE_SECS, connect=CONNECT_SECS)
        with self._reached():
            async with self._client.stream("GET", "/admin/pollers/events", params=query, timeout=timeout) as answer:
                if not answer.is_success:
                    await answer.aread()
                    self._accepted(answer)
                kind = ""
                async for line in answer.aiter_lines():
                    name, _, value = line.partition(":")
                    if name == "event":
                        kind = value.removeprefix(" ")
                    elif name == "data":
                        yield kind, json.loads(value)
        raise NoDaemon(self.daemon.place, "it has ended the stream of events")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise NoDaemon(self.daemon.place, error) from error

    def _accepted(self, answer: httpx.Response) -> Any:
        try:
            said = answer.json()
        except ValueError:
            said = None
        if OURS not in answer.headers:
            raise DaemonRefused(f"{self.daemon.place} answered {answer.status_code}, and not as a nexo-poller does")
        if said is not None and answer.is_success:
            return said
        if answer.status_code == UNAUTHORIZED:
            token = "another token" if self.daemon.token else "a token"
            remedy = "set NEXO_POLLER_TOKEN, or `admin: {token: …}` in the file of --config"
            raise DaemonRefused(f"the daemon at {self.daemon.place} wants {token}: {remedy}")
        if isinstance(said, dict) and isinstance(said.get("error"), str):
            raise DaemonRefused(said["error"])
        raise DaemonRefused(f"{self.daemon.place} answered {answer.status_code}, and not as a nexo-poller does")
