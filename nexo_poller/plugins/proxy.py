"""A kind of a plugin that lives as long as the runner, as an ordinary poller."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field

from nexo_poller.config.plugin_kinds import PluginKind
from nexo_poller.errors import PluginPollerForwardError, TickError
from nexo_poller.failures import describe
from nexo_poller.plugins.members import Members, WrongMember
from nexo_poller.plugins.ticks import build_tick_request
from nexo_poller.plugins.transport import Transport
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.tool import Tool

if TYPE_CHECKING:
    from nexo_poller.plugins.router import PluginPollerHandle

SCHEMA_NAMES: Final = ("parameters", "input_schema", "inputSchema")  # as OpenAI, Anthropic and MCP call it
log = logging.getLogger(__name__)


@define(eq=False)
class PluginPollerProxy(PluginKind):
    """Hands ticks and calls of tools to the plugin. `places`, as many as it takes ticks at once, are for all its kinds."""

    handle: "PluginPollerHandle"
    _transport: Transport
    _places: trio.CapacityLimiter
    _tools: Sequence[Tool] = field(default=(), init=False)

    def place(self) -> AbstractAsyncContextManager[None]:
        """A place among the ticks that the plugin takes at once."""
        return self._places

    async def tick(self, ctx: PollContext[Mapping[str, Any]]) -> TickAck:
        """See `Transport.tick`; the manifest's `tick_timeout_secs` is the time for it."""
        secs = self.handle.tick_timeout.total_seconds()
        try:
            with trio.fail_after(secs):
                reply = await self._transport.tick(build_tick_request(ctx), ctx.host)
        except trio.TooSlowError as error:
            raise PluginPollerForwardError(self.handle.plugin_id, f"no reply within {secs:g} s") from error
        return reply.ack()

    def custom_tools(self) -> Sequence[Tool]:
        """What `learn_tools` learnt last."""
        return self._tools

    async def learn_tools(self) -> bool:
        """Ask the plugin for its tools; whether it could tell. A tool that is none is left out, and logged."""
        try:
            listed = await self._transport.tools(self.kind)
        except TickError as error:
            log.debug("the tools of kind '%s' are not known: %s", self.kind, describe(error))
            return False
        tools: list[Tool] = []
        for entry in listed:
            try:
                tools.append(self._tool(Members.of("tool", entry)))
            except WrongMember as error:
                log.warning("plugin '%s' lists a tool that is none: %s", self.handle.plugin_id, error)
        self._tools = tools
        return True

    def _tool(self, listed: Members) -> Tool:
        name = listed.text("name")
        schema = next((listed.object(key).values for key in SCHEMA_NAMES if listed.has(key)), {"type": "object"})

        async def call(_runner: object, args: Mapping[str, Any]) -> Mapping[str, Any]:
            return await self._transport.call_tool(self.kind, name, args)

        return Tool(name=name, description=listed.text_or_none("description") or "", parameters=schema, handler=call)
