"""A plugin that lives as long as its daemon, spoken to over a pair of pipes."""

from collections.abc import Mapping
from typing import Any

from nexo_poller.plugins.peer import Peer
from nexo_poller.plugins.sdk.identity import LONGEST_TICK, Identity
from nexo_poller.plugins.sdk.pipes import Pipes, speech
from nexo_poller.plugins.sdk.program import Pollers, Program
from nexo_poller.plugins.sdk.stopping import cancelled_by_signals
from nexo_poller.plugins.wire import SHUTDOWN


async def serve_stdio(pollers: Pollers, identity: Identity, pipes: Pipes) -> None:
    """Answer the daemon until it says `shutdown` or closes the pipe, or SIGTERM or SIGINT comes.

    After the former two, what is under way has two seconds (`peer.LAST_SECONDS`) to end by itself before it is cancelled;
    a signal cancels it at once.
    """

    async def call(method: str, params: Mapping[str, Any]) -> Any:
        return await peer.call(method, params, LONGEST_TICK)

    async def answer(method: str, params: Any) -> Any:
        if method == SHUTDOWN:
            lines.stop_listening()
            return None
        return await program.answer(method, params)

    program = Program(identity=identity, pollers=pollers, call=call)
    async with cancelled_by_signals(), speech(pipes) as lines, program.open():
        peer = Peer(identity.plugin_id, lines, answer)
        await peer.run()
