"""A plugin that lives for one tick: a line in, a line out."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import trio

from nexo_poller.errors import HostError
from nexo_poller.plugins.sdk.identity import Identity
from nexo_poller.plugins.sdk.pipes import Pipes
from nexo_poller.plugins.sdk.program import Pollers, Program
from nexo_poller.plugins.sdk.stopping import cancelled_by_signals


def serve_ephemeral(pollers: Pollers, identity: Identity, pipes: Pipes) -> None:
    """Answer the one call that stands on stdin; SIGTERM and SIGINT cancel it, and then there is no answer.

    There is nobody to call back: what a poller logs goes to stderr, which the daemon logs, what it counts is not
    counted, and whatever else it asks of its host is refused with `HostError`.
    """
    with os.fdopen(pipes.incoming, "rb") as incoming, os.fdopen(pipes.outgoing, "wb") as outgoing:
        program = Program(identity=identity, pollers=pollers, call=_call_nobody)
        outgoing.write(trio.run(_replied, program, incoming.readline()))


async def _replied(program: Program, line: bytes) -> bytes:
    """The line that answers `line`; nothing if a signal came first."""
    replies: list[bytes] = []
    async with cancelled_by_signals(), program.open():
        replies.append(await program.reply(line))
    return b"".join(replies)


async def _call_nobody(method: str, params: Mapping[str, Any]) -> None:
    match method:
        case "log":
            sys.stderr.write(f"{params['level']}: {params['message']} {json.dumps(params['fields'])}\n")
        case "metric_inc":
            return
        case _:
            raise HostError(f'{method}: an ephemeral plugin cannot call back (`lifecycle = "long_lived"` can)')
