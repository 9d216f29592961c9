"""A plugin in a process of its own, and a daemon's end of its pipes."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define

from nexo_poller.plugins.peer import Peer
from nexo_poller.plugins.process import Child, spawned
from nexo_poller.plugins.router import Entrypoint

MANY_SIDED: Final = Path(__file__).with_name("many_sided.py")
PATIENCE: Final = timedelta(minutes=1)


@define(eq=False)
class Spoken:
    """The running plugin; `stderr` are the lines that it has written there, `asked` its calls of the daemon."""

    child: Child
    peer: Peer
    stderr: list[str]
    asked: list[tuple[str, Any]]
    heard: trio.Condition

    async def call(self, method: str, **params: Any) -> Any:
        return await self.peer.call(method, params, PATIENCE)

    async def tick(self, do: str, **config: Any) -> Any:
        return await self.call("poll_tick", **tick_params(do, **config))

    async def said(self, line: str) -> None:
        """Return once the plugin has written this line to stderr."""
        async with self.heard:
            while line not in self.stderr:
                await self.heard.wait()


def entrypoint(program: Path = MANY_SIDED) -> Entrypoint:
    return Entrypoint(command=sys.executable, args=(str(program),), folder=program.parent)


@asynccontextmanager
async def speaking(plugin: Entrypoint) -> AsyncIterator[Spoken]:
    """The plugin over stdio, for as long as the block lasts; every call of its is answered with None."""
    stderr: list[str] = []
    asked: list[tuple[str, Any]] = []
    heard = trio.Condition()

    async def hear(line: str) -> None:
        async with heard:
            stderr.append(line)
            heard.notify_all()

    async def answer(method: str, params: Any) -> None:
        asked.append((method, params))

    async with spawned(plugin, {"NEXO_POLLER_PLUGIN_ID": "many-sided"}, hear) as child:
        peer = Peer("many-sided", child, answer)
        with trio.fail_after(PATIENCE.total_seconds()):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.run)
                yield Spoken(child, peer, stderr, asked, heard)
                nursery.cancel_scope.cancel()


def tick_params(do: str, **config: Any) -> dict[str, Any]:
    return {
        "kind": "many_sided",
        "job_id": "job-1",
        "agent_id": "ana",
        "cursor": None,
        "config": {"do": do, **config},
        "now": "2026-01-01T00:00:00Z",
        "interval_hint_secs": 60,
    }
