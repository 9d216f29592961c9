"""What a plugin answers to the daemon, whichever way it is asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import trio
from attrs import define, field

from nexo_poller.clock import SystemClock
from nexo_poller.errors import ConfigError, MethodNotFound, TransientError
from nexo_poller.plugins.members import Members
from nexo_poller.plugins.sdk.host import BrokerPollerHost, Call
from nexo_poller.plugins.sdk.http import JobsHttp
from nexo_poller.plugins.sdk.identity import Identity
from nexo_poller.plugins.sdk.stand_in import RemoteCredentials, StandIn
from nexo_poller.plugins.sdk.tick import run_tick
from nexo_poller.plugins.ticks import tick_request
from nexo_poller.plugins.wire import CALL_TOOL, INITIALIZE, LIST_TOOLS, POLL_TICK, reply_error, reply_result, unwrap
from nexo_poller.poller import Poller
from nexo_poller.tool import Tool

Pollers = Mapping[str, Poller[Any]]
Answer = Callable[[Members], Awaitable[Any]]


@define(eq=False, kw_only=True)
class Program:
    """The pollers of one plugin, by kind; `call` is its way back to the daemon."""

    identity: Identity
    pollers: Pollers
    call: Call
    _http: JobsHttp = field(factory=JobsHttp, init=False)

    async def answer(self, method: str, params: Any) -> Any:
        """The result of one of the daemon's calls.

        Raises what the tick or the tool ended with, `ValueError` for params that are wrong, and `MethodNotFound`.
        """
        answers: Mapping[str, Answer] = {
            INITIALIZE: self._initialize,
            POLL_TICK: self._poll_tick,
            LIST_TOOLS: self._list_tools,
            CALL_TOOL: self._call_tool,
        }
        if method not in answers:
            raise MethodNotFound(method)
        return await answers[method](Members.of("params", {} if params is None else params))

    async def reply(self, message: bytes) -> bytes:
        """What to say to a line, or to a broker's message, with a call in it; a bare `TickRequest` is one, too."""
        call: Mapping[str, Any] = {}
        try:
            call = unwrap(message)
            method, params = call.get("method", POLL_TICK), call.get("params") if "method" in call else call
            return reply_result(call.get("id"), await self.answer(str(method), params))
        except Exception as error:  # noqa: BLE001 - it is the daemon's to hear, and may come from anybody's code
            return reply_error(call.get("id"), error)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The pollers' lifespans, and their HTTP, for as long as the block lasts."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._http.aclose)
            for poller in self.pollers.values():
                await stack.enter_async_context(poller.lifespan(SystemClock()))
            yield

    async def _initialize(self, _: Members) -> Mapping[str, Any]:
        return {
            "name": self.identity.plugin_id,
            "version": self.identity.version,
            "capabilities": {"pollers": sorted(self.pollers)},
        }

    async def _poll_tick(self, params: Members) -> Mapping[str, Any]:
        request = tick_request(params.values)
        host = BrokerPollerHost(job_id=request.job_id, agent_id=request.agent_id, call=self.call)
        timeout = self.identity.tick_timeout.total_seconds()
        with trio.move_on_after(timeout):
            return await run_tick(request, self._poller(request.kind), host, self._http.client)
        raise TransientError(f"timed out after {timeout:g} s")

    async def _list_tools(self, params: Members) -> Sequence[Mapping[str, Any]]:
        return [_listed(tool) for tool in self._poller(params.text("kind")).custom_tools()]

    async def _call_tool(self, params: Members) -> Mapping[str, Any]:
        name, poller = params.text("tool_name"), self._poller(params.text("kind"))
        for tool in poller.custom_tools():
            if tool.name == name:
                return await tool.handler(
                    StandIn(RemoteCredentials(self.call), self._http), params.object("args").values
                )
        raise MethodNotFound(name)

    def _poller(self, kind: str) -> Poller[Any]:
        if kind not in self.pollers:
            known = ", ".join(sorted(self.pollers))
            raise ConfigError(f"plugin '{self.identity.plugin_id}' has no poller of kind '{kind}', only of {known}")
        return self.pollers[kind]


def _listed(tool: Tool) -> Mapping[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "timeout_secs": tool.timeout.total_seconds(),
    }
