"""A plugin that lives on its own, spoken to over NATS: it answers on its topics, and asks on the daemon's."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import trio

from nexo_poller.broker.nats.broker import NatsBroker
from nexo_poller.config.model import BrokerSettings
from nexo_poller.errors import BrokerError, ConfigError, TransientError
from nexo_poller.failures import describe
from nexo_poller.plugins.sdk.identity import LONGEST_TICK, MANIFEST, Identity
from nexo_poller.plugins.sdk.program import Pollers, Program
from nexo_poller.plugins.sdk.stopping import cancelled_by_signals
from nexo_poller.plugins.wire import request_line, result_of, unwrap

NKEY_FILE: Final = "NATS_NKEY_FILE"  # the plugin's own; the daemon's is for the daemon


async def serve_nats(pollers: Pollers, identity: Identity, url: str) -> None:
    """Answer daemons until SIGTERM or SIGINT, whether or not the server at `url` can be reached all the time.

    Raises `ConfigError` if nobody has said where to listen, or the file of the NKey cannot be used.
    """
    if not (identity.topic_prefix and identity.plugin_id):
        raise ConfigError(f"over NATS, a plugin needs its {MANIFEST} in the working directory: it says where to listen")
    nkey_file = os.environ.get(NKEY_FILE)
    settings = BrokerSettings(type="nats", url=url, nkey_file=Path(nkey_file) if nkey_file else None)

    async def call(method: str, params: Mapping[str, Any]) -> Any:
        body = request_line(str(uuid4()), method, params).strip()
        try:
            reply = unwrap(await broker.request(f"daemon.rpc.{identity.plugin_id}", body, LONGEST_TICK))
        except (BrokerError, ValueError) as error:
            raise TransientError(describe(error)) from error
        return result_of(reply, identity.plugin_id)

    program = Program(identity=identity, pollers=pollers, call=call)
    async with (
        cancelled_by_signals(),
        NatsBroker.open(settings) as broker,
        program.open(),
        broker.answering(f"{identity.topic_prefix}.tick", program.reply),
        broker.answering(f"{identity.topic_prefix}.tools", program.reply),
    ):
        await trio.sleep_forever()
