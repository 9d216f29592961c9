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
from nexo_poller.plugins.wire import message_of, reply_error, reply_result


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
    call: Mapping[str, Any] = {}
    reply = b""
    async with cancelled_by_signals():
        try:
            call = message_of(line)
            async with program.open():
                result = await program.answer(str(call.get("method")), call.get("params"))
            reply = reply_result(call.get("id"), result)
        except Exception as error:  # noqa: BLE001 - it is the daemon's to hear, and may come from anybody's code
            reply = reply_error(call.get("id"), error)
    return reply


async def _call_nobody(method: str, params: Mapping[str, Any]) -> None:
    match method:
        case "log":
            sys.stderr.write(f"{params['level']}: {params['message']} {json.dumps(params['fields'])}\n")
        case "metric_inc":
            return
        case _:
            raise HostError(f'{method}: an ephemeral plugin cannot call back (`lifecycle = "long_lived"` can)')
