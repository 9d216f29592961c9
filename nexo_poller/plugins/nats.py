"""A plugin that lives as long as the runner, spoken to over a broker: it answers on its topics, and asks on ours.

    <prefix>.tick             `poll_tick`, request and reply
    <prefix>.tools            `poll_list_tools` and `poll_tool_call`; a topic of their own, lest a plugin that knows only
                              ticks take a question for one
    daemon.rpc.<plugin id>    what the plugin asks of the daemon

Theory of operation. Its process, if its manifest has one, is kept up: one that ends comes back after a pause that grows
while its lives are short. Otherwise somebody else runs it, wherever. A tick for which nobody listens fails at once, but
for a while after a start, when the process may only be on its way; nobody has had it, so it may be sent again.

A tick that is cut short here goes on in the plugin, which has no way to hear of it. Until its reply has come (and has
been dropped), or the time for a tick is over once more, it keeps its place among the plugin's ticks.
"""

import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field

from nexo_poller.broker import Broker
from nexo_poller.errors import (
    ConfigError,
    MethodNotFound,
    PluginPollerForwardError,
    Unrouted,
)
from nexo_poller.plugins.callbacks import Callbacks
from nexo_poller.plugins.environment import BROKER_URL, PLUGIN_ID
from nexo_poller.plugins.forwarding import Asked, ask, callback_topic, forward_tick, tools_topic
from nexo_poller.plugins.lines import LineTooLong
from nexo_poller.plugins.lives import EXIT_SECONDS, GRACE, TOOL_TIMEOUT, keep_up, one_less
from nexo_poller.plugins.process import Child, spawned
from nexo_poller.plugins.ticks import TickReply, TickRequest
from nexo_poller.plugins.transport import PluginServices
from nexo_poller.plugins.wire import CALL_TOOL, LIST_TOOLS, reply_error, reply_result, unwrap
from nexo_poller.poller import PollerHost

if TYPE_CHECKING:
    from nexo_poller.plugins.router import Entrypoint, PluginPollerHandle

LIST_SECONDS: Final = 2.0  # for which a question for tools waits for somebody to listen
STARTING_SECONDS: Final = 15.0  # for which a process that has just been started may not be listening yet
LOOK_AGAIN_SECONDS: Final = 0.1

log = logging.getLogger(__name__)


@define(eq=False)
class NatsTransport:
    """See `Transport`. Whoever ticks holds one of `places`; at `url` the plugin finds the broker."""

    _handle: "PluginPollerHandle"
    _places: trio.CapacityLimiter
    _broker: Broker
    _url: str = field(repr=False)
    _callbacks: Callbacks | None = field(default=None, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)
    _asked: set[Asked] = field(factory=set, init=False)
    _fault: str | None = field(default=None, init=False)
    _listens_by: float = field(default=0.0, init=False)
    _is_running: trio.Event = field(factory=trio.Event, init=False)
    _is_begun: trio.Event = field(factory=trio.Event, init=False)  # the first life, if only in vain

    async def run(self, services: PluginServices, *, task_status: trio.TaskStatus[None]) -> None:
        """See `Transport`."""
        self._callbacks = Callbacks(self._handle, services)
        async with (
            self._broker.answering(callback_topic(self._handle.plugin_id), self._answer),
            trio.open_nursery() as nursery,
        ):
            self._nursery = nursery
            self._is_running.set()
            if self._handle.entrypoint is not None:
                nursery.start_soon(
                    keep_up, partial(self._life, self._handle.entrypoint, services), services, self._pause
                )
                await self._is_begun.wait()
            task_status.started()
            await trio.sleep_forever()

    async def tick(self, request: TickRequest, host: PollerHost) -> TickReply:
        """See `Transport`."""
        await self._is_running.wait()  # a reload lets jobs go before it has started their plugins
        assert self._callbacks is not None and self._nursery is not None  # noqa: S101, PT018 - for the type checker
        with self._callbacks.during(request.job_id, host) as tick:
            asked = Asked()
            self._asked.add(asked)
            try:
                self._nursery.start_soon(asked.run, partial(self._forward, request))
                reply = await asked.reply(otherwise=self._error("it was stopped"))
                await tick.published.empty()
            finally:
                if asked.over.is_set():
                    self._asked.remove(asked)
                else:
                    self._cut_short(asked, request.job_id)
        return reply

    async def tools(self, kind: str) -> Sequence[Any]:
        """See `Transport`."""
        listed: Any = ()
        with suppress(MethodNotFound):
            listed = await self._listed(kind)
        tools = listed.get("tools") if isinstance(listed, Mapping) else listed
        return tools if isinstance(tools, list) else ()

    async def call_tool(self, kind: str, name: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Transport`."""
        answer = await self._tool_asked(CALL_TOOL, {"kind": kind, "tool_name": name, "args": args}, TOOL_TIMEOUT)
        if not isinstance(answer, Mapping):
            raise self._error(f"its tool '{name}' answered with no object", member="result")
        return answer

    async def _forward(self, request: TickRequest) -> TickReply:
        """The reply. A process that has been started is waited for, for nobody has had the tick if nobody listens."""
        while True:
            try:
                return await forward_tick(self._broker, self._handle, request, timeout=2 * self._handle.tick_timeout)
            except PluginPollerForwardError as error:
                if not isinstance(error.__cause__, Unrouted):
                    raise
                if self._fault is not None:
                    raise self._error(self._fault) from error
                if trio.current_time() >= self._listens_by:
                    raise self._error(f"nobody listens on '{self._handle.tick_topic}'; is it running?") from error
            await trio.sleep(LOOK_AGAIN_SECONDS)

    async def _listed(self, kind: str) -> Any:
        until = trio.current_time() + LIST_SECONDS
        while True:
            try:
                return await self._tool_asked(LIST_TOOLS, {"kind": kind}, TOOL_TIMEOUT)
            except PluginPollerForwardError as error:
                if not isinstance(error.__cause__, Unrouted):
                    raise
                is_there = self._handle.entrypoint is not None and trio.current_time() >= self._listens_by
                if is_there and self._fault is None:
                    return ()  # and has no tools
                if trio.current_time() >= until:
                    raise
            await trio.sleep(LOOK_AGAIN_SECONDS)

    async def _tool_asked(self, method: str, params: Mapping[str, Any], timeout: timedelta) -> Any:
        return await ask(self._broker, self._handle, tools_topic(self._handle), method, params, timeout)

    def _answer(self, body: bytes) -> Coroutine[Any, Any, bytes]:
        """The reply to what the plugin asks. Its turn among others is settled by this call, and not once awaited."""
        assert self._callbacks is not None  # noqa: S101 - nobody is asked before there are any
        try:
            asked = unwrap(body)
        except ValueError as error:
            return _refused(None, ConfigError(f"this is no call: {error}"))
        method = asked.get("method")
        if not isinstance(method, str):
            return _refused(asked.get("id"), ConfigError("this is no call: it has no `method`"))
        return _replied(asked.get("id"), self._callbacks.answer(method, asked.get("params")))

    def _pause(self, fault: str, pause: timedelta) -> None:
        self._fault = f"it is not running, and is started again within {pause.total_seconds():g} s; {fault}"
        for asked in self._asked:
            asked.end(self._error(fault))
        self._is_begun.set()

    async def _life(self, entrypoint: "Entrypoint", services: PluginServices) -> str:
        """From the start of a process to its end; what that was, in words."""
        self._fault, self._listens_by = None, trio.current_time() + STARTING_SECONDS
        env = {PLUGIN_ID: self._handle.plugin_id, BROKER_URL: self._url}
        async with spawned(entrypoint, env, partial(services.host().log, "info")) as child:
            self._is_begun.set()
            try:
                await _idle(child)
            finally:
                with trio.CancelScope(shield=True):  # bounded by the grace: a plugin may save things
                    await child.stop(GRACE)
        fault = f"the process has ended: {child.ended}"
        await services.host().log("warning", fault, {"stderr": [*child.last_words.lines]})
        return fault

    def _cut_short(self, asked: Asked, job_id: str) -> None:
        """Leave the plugin to a tick whose end nobody waits for any more, in its place."""
        assert self._callbacks is not None and self._nursery is not None  # noqa: S101, PT018 - a tick was under way
        with ExitStack() as undo:
            undo.callback(self._asked.remove, asked)
            undo.enter_context(self._callbacks.leftover(job_id))
            undo.enter_context(one_less(self._places))
            self._nursery.start_soon(self._await_late_reply, asked, undo.pop_all())

    async def _await_late_reply(self, asked: Asked, undo: ExitStack) -> None:
        with undo:
            await asked.over.wait()

    def _error(self, what: str, member: str | None = None) -> PluginPollerForwardError:
        return PluginPollerForwardError(self._handle.plugin_id, what, member=member)


async def _idle(child: Child) -> None:
    """Return when the process has ended, or has said too much; what it prints has no meaning here."""
    with suppress(LineTooLong):
        while (line := await child.receive_line()) is not None:
            log.debug("a plugin prints: %s", line.decode(errors="replace"))
    with trio.move_on_after(EXIT_SECONDS):
        await child.wait()


async def _replied(call_id: object, answer: Coroutine[Any, Any, Any]) -> bytes:
    try:
        return reply_result(call_id, await answer).strip()
    except Exception as error:  # noqa: BLE001 - it is the plugin's to hear, and may come from anybody's code
        return reply_error(call_id, error).strip()


async def _refused(call_id: object, error: Exception) -> bytes:
    return reply_error(call_id, error).strip()
