"""The broker over a real NATS server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from broker_contract import *  # noqa: F403 - the contract's tests
from nats_server import NatsServer, nats_server

from nexo_poller.broker import Broker
from nexo_poller.broker.nats.broker import NatsBroker


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with nats_server(tmp_path) as server:
        yield server


@pytest.fixture
async def broker(server: NatsServer) -> AsyncIterator[Broker]:
    await server.add_stream("plugin.outbound.>")
    async with NatsBroker.open(server.settings) as broker:
        yield broker
