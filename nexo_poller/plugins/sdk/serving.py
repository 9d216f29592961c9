"""The one call that makes a plugin of pollers."""

import os
from typing import Any

import trio

from nexo_poller.plugins.environment import BROKER_URL, EPHEMERAL
from nexo_poller.plugins.sdk.identity import Identity
from nexo_poller.plugins.sdk.pipes import take_stdio
from nexo_poller.poller import Poller, checked_poller


def serve(*pollers: Poller[Any]) -> None:
    """Be a plugin with these pollers, one a kind, until the daemon has had enough. Call it at the end of a program.

    How the daemon speaks stands in the environment that it makes: `NEXO_POLLER_EPHEMERAL=1`, one tick over stdin and
    stdout; else `NEXO_BROKER_URL`, a NATS server, with the `broker_topic_prefix` of the `nexo-plugin.toml` in the working
    directory; else any number of calls over stdin and stdout. The two belong to the wire from now on: what else is
    printed goes to stderr.

    Returns after a `shutdown`, at the end of stdin, and on SIGTERM or SIGINT; ticks under way are cancelled then, and the
    pollers' lifespans end. Raises `ValueError` if two pollers have one kind, `TypeError` for what is no poller, and `ConfigError` if there is a server but
    no such manifest. The server is shown the NKey in the file that `NATS_NKEY_FILE` names, if it does.
    """
    by_kind = {checked_poller(poller).kind: poller for poller in pollers}
    if len(by_kind) < len(pollers):
        raise ValueError(f"two pollers have one kind: {', '.join(sorted(poller.kind for poller in pollers))}")
    pipes = take_stdio()
    if os.environ.get(EPHEMERAL) == "1":
        from nexo_poller.plugins.sdk.ephemeral import serve_ephemeral

        serve_ephemeral(by_kind, Identity.of_environment(), pipes)
    elif url := os.environ.get(BROKER_URL):
        from nexo_poller.plugins.sdk.nats import serve_nats

        trio.run(serve_nats, by_kind, Identity.of_manifest(), url)
    else:
        from nexo_poller.plugins.sdk.stdio import serve_stdio

        trio.run(serve_stdio, by_kind, Identity.of_manifest(), pipes)
