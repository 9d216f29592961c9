"""Ticks of a poller outside of any runner: a host that remembers, and a bench that carries the cursor on."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from attrs import Factory, define

from nexo_poller.config.structuring import structure
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse, LogLevel, PollContext, Poller, TickAck

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading them would be most of a test's time
DELIVER = {"channel": "telegram", "to": "42"}


@define(eq=False)
class RecordingHost:
    """A `PollerHost` that remembers the log, knows the `credentials` of every channel, and can do nothing else."""

    credentials: Mapping[str, Any] = Factory(dict)
    logged: list[tuple[LogLevel, str, Mapping[str, Any]]] = Factory(list)

    async def broker_publish(self, topic: str, payload: bytes) -> None:
        raise NotImplementedError

    async def credentials_get(self, channel: str) -> Mapping[str, Any]:
        return self.credentials

    async def log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        self.logged.append((level, message, fields or {}))

    async def metric_inc(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        raise NotImplementedError

    async def llm_invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        raise NotImplementedError


@define(eq=False, kw_only=True)
class Bench:
    """Runs tick after tick of one job; the cursor of one is the next one's, as a commit would have it."""

    poller: Poller[Any]
    http: httpx.AsyncClient
    config: dict[str, Any]
    cursor: bytes | None = None
    is_dry_run: bool = False
    host: RecordingHost = Factory(RecordingHost)

    async def tick(self, **changes: Any) -> TickAck:
        """One tick, with these `changes` to the config from now on."""
        self.config.update(changes)
        config = structure({"deliver": DELIVER, **self.config}, self.poller.config_type)
        self.poller.validate(config)
        context = PollContext(
            job_id="news",
            agent_id="ana",
            kind=self.poller.kind,
            config=config,
            cursor=self.cursor,
            now=NOON,
            interval_hint=timedelta(minutes=5),
            host=self.host,
            is_dry_run=self.is_dry_run,
            open_http=lambda: self.http,
        )
        ack = await self.poller.tick(context)
        self.cursor = ack.next_cursor or self.cursor
        return ack

    async def texts(self, **changes: Any) -> list[str]:
        """The messages of one tick."""
        return [delivery.payload["text"] for delivery in (await self.tick(**changes)).deliver]


@asynccontextmanager
async def bench(poller: Poller[Any], **config: Any) -> AsyncIterator[Bench]:
    """A bench whose HTTP client is a job's, and may reach loopback."""
    async with HttpPools.open(ssl_context=NO_AUTHORITIES) as pools:
        yield Bench(poller=poller, http=pools.client(allow_private_networks=True), config=config)
