"""A plugin that lives as long as the runner, as a process of the daemon's, spoken to over its stdin and stdout.

Theory of operation. A life is: spawn, `initialize`, ticks, end. Whatever ends it (a crash, a line too long, an
introduction that does not fit the manifest) makes the ticks under way transient errors, with the exit status and the
last lines of stderr, and the process comes back after a pause that grows while its lives are short. A tick that comes
while the process starts waits for it, one that comes in the pause fails at once.

A tick that is cut short here goes on in the plugin, which has no way to hear of it. Until its reply has come (and has
been dropped), or the time for a tick is over once more, it keeps its place among the plugin's ticks.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import Factory, define, field, frozen

from nexo_poller.errors import MethodNotFound, PluginPollerForwardError, TickError
from nexo_poller.failures import describe
from nexo_poller.plugins.callbacks import Callbacks
from nexo_poller.plugins.environment import PLUGIN_ID
from nexo_poller.plugins.introduction import check_introduction
from nexo_poller.plugins.lines import LineTooLong
from nexo_poller.plugins.lives import EXIT_SECONDS, GRACE, TOOL_TIMEOUT, keep_up, one_less
from nexo_poller.plugins.peer import LAST_SECONDS, Call, Peer
from nexo_poller.plugins.process import Child, spawned
from nexo_poller.plugins.ticks import TickReply, TickRequest, tick_reply
from nexo_poller.plugins.transport import PluginServices
from nexo_poller.plugins.wire import CALL_TOOL, INITIALIZE, LIST_TOOLS, POLL_TICK, SHUTDOWN, request_line
from nexo_poller.poller import PollerHost

if TYPE_CHECKING:
    from nexo_poller.plugins.router import PluginPollerHandle

INITIALIZE_TIMEOUT: Final = timedelta(seconds=30)  # an interpreter may import a lot, from a cold disk
LIST_TIMEOUT: Final = 2.0  # seconds
SHUTDOWN_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


@define(eq=False)
class Starting:
    """The process is being started."""

    over: trio.Event = Factory(trio.Event)


@frozen(eq=False)
class Up:
    """The process has introduced itself and takes ticks."""

    peer: Peer
    callbacks: Callbacks
    nursery: trio.Nursery


@frozen
class Down:
    """The process has ended, and is started again at `until` by `trio.current_time()`."""

    fault: str
    until: float


@define(eq=False)
class StdioTransport:
    """See `Transport`. Whoever ticks holds one of `places`."""

    _handle: "PluginPollerHandle"
    _places: trio.CapacityLimiter
    _tools: dict[str, Sequence[Any]] = field(factory=dict, init=False)
    _state: Starting | Up | Down = field(factory=Starting, init=False)

    async def run(self, services: PluginServices, *, task_status: trio.TaskStatus[None]) -> None:
        """See `Transport`."""
        first = self._state  # which ticks may wait for already
        assert isinstance(first, Starting)  # noqa: S101 - for the type checker: nothing has run yet
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_up, partial(self._life, services), services, self._pause)
            await first.over.wait()
            task_status.started()

    async def tick(self, request: TickRequest, host: PollerHost) -> TickReply:
        """See `Transport`."""
        up = await self._up()
        with up.callbacks.during(request.job_id, host) as tick:
            call = await up.peer.ask(POLL_TICK, request.params())
            try:
                result = await call.result()
                await tick.published.empty()
            finally:
                if not call.over.is_set():
                    self._cut_short(call, request.job_id, up)
        return tick_reply(result, self._handle.plugin_id)

    async def tools(self, kind: str) -> Sequence[Any]:
        """See `Transport`."""
        await self._up()
        return self._tools.get(kind, ())

    async def call_tool(self, kind: str, name: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Transport`."""
        up = await self._up()
        answer = await up.peer.call(CALL_TOOL, {"kind": kind, "tool_name": name, "args": args}, TOOL_TIMEOUT)
        if not isinstance(answer, Mapping):
            raise self._fault(f"its tool '{name}' answered with no object", member="result")
        return answer

    async def _up(self) -> Up:
        """The running process, once it has started. Raises `PluginPollerForwardError` while it is down."""
        while True:
            match self._state:
                case Starting(over=over):
                    await over.wait()
                case Down(fault=fault, until=until):
                    wait = max(0, until - trio.current_time())
                    raise self._fault(f"it is not running, and is started again in {wait:.0f} s; {fault}")
                case Up() as up:
                    return up

    def _pause(self, fault: str, pause: timedelta) -> None:
        self._become(Down(fault, until=trio.current_time() + pause.total_seconds()))

    async def _life(self, services: PluginServices) -> str:
        """From the start of a process to its end; what that was, in words."""
        if isinstance(self._state, Down):
            self._become(Starting())
        hear = partial(services.host().log, "info")
        if self._handle.entrypoint is None:
            return "its manifest has no [plugin.entrypoint] to be started by"
        async with spawned(self._handle.entrypoint, {PLUGIN_ID: self._handle.plugin_id}, hear) as child:
            try:
                fault = await self._served(child, services)
            finally:
                await _see_off(child)
            stderr = [*child.last_words.lines]
            await services.host().log("warning", f"the plugin has ended: {fault}", {"stderr": stderr})
        return fault

    async def _served(self, child: Child, services: PluginServices) -> str:
        """Serve the process for as long as it can be talked to; how it ended, in words, once it is gone."""
        callbacks = Callbacks(self._handle, services)
        peer = Peer(self._handle.plugin_id, child, callbacks.answer)
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(self._introduce, Up(peer, callbacks, nursery))
                nursery.start_soon(_leave_the_deaf, child, peer)
                left = await peer.run()
                with trio.move_on_after(EXIT_SECONDS):
                    await child.wait()
                await child.stop(GRACE)
                fault = f"{left}; {child.ended}"
                peer.end(self._fault(fault))
                nursery.cancel_scope.cancel()
            finally:
                peer.end(self._fault("it was stopped"))
        return fault

    async def _introduce(self, up: Up) -> None:
        """Let the process tell what it is; if that is what the manifest says, it may have ticks."""
        params = {"plugin_id": self._handle.plugin_id, "kinds": [*self._handle.kinds]}
        try:
            check_introduction(await up.peer.call(INITIALIZE, params, INITIALIZE_TIMEOUT), self._handle)
        except TickError as error:
            up.peer.leave(describe(error))
            return
        with trio.move_on_after(LIST_TIMEOUT):  # there are programs that do not reply to what they do not know
            for kind in self._handle.kinds:
                self._tools[kind] = await self._listed(kind, up.peer)
        self._become(up)

    async def _listed(self, kind: str, peer: Peer) -> Sequence[Any]:
        """Asked before the first tick, so that there is one open call, and a reply without an id can be told."""
        try:
            listed = await peer.call(LIST_TOOLS, {"kind": kind}, TOOL_TIMEOUT)
        except TickError as error:
            log.log(logging.DEBUG if isinstance(error, MethodNotFound) else logging.WARNING, "%s", error)
            return ()
        tools = listed.get("tools") if isinstance(listed, Mapping) else listed
        return tools if isinstance(tools, list) else ()

    def _cut_short(self, call: Call, job_id: str, up: Up) -> None:
        """Leave the plugin to a tick whose end nobody waits for any more, in its place."""
        with ExitStack() as undo:
            undo.callback(up.peer.forget, call)
            undo.enter_context(up.callbacks.leftover(job_id))
            undo.enter_context(one_less(self._places))
            up.nursery.start_soon(self._await_late_reply, call, undo.pop_all())

    async def _await_late_reply(self, call: Call, undo: ExitStack) -> None:
        with undo, trio.move_on_after(self._handle.tick_timeout.total_seconds()):
            await call.over.wait()

    def _become(self, state: Starting | Up | Down) -> None:
        before, self._state = self._state, state
        if isinstance(before, Starting):
            before.over.set()

    def _fault(self, what: str, member: str | None = None) -> PluginPollerForwardError:
        return PluginPollerForwardError(self._handle.plugin_id, what, member=member)


async def _leave_the_deaf(child: Child, peer: Peer) -> None:
    """A process that has closed its stdin gets no more ticks, whatever else it is."""
    await child.deaf()
    peer.leave("it closed its stdin", LAST_SECONDS)


async def _see_off(child: Child) -> None:
    """Let the process leave by itself, then tell it to, then end it. Bounded, and so shielded: a plugin may save things."""
    with trio.CancelScope(shield=True):
        if child.status is None:
            with trio.move_on_after(SHUTDOWN_SECONDS), suppress(trio.BrokenResourceError, LineTooLong):
                await child.send(request_line(SHUTDOWN, SHUTDOWN, {}))
                child.close_stdin()
                while await child.receive_line() is not None:
                    continue
        await child.stop(GRACE)
