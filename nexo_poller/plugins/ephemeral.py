"""Plugins that live for one tick: a line in, a line out, and the process is gone."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field

from nexo_poller.config.plugin_kinds import PluginKind
from nexo_poller.errors import PluginPollerForwardError
from nexo_poller.plugins.environment import EPHEMERAL, PLUGIN_ID
from nexo_poller.plugins.lines import LineTooLong
from nexo_poller.plugins.process import Child, Hear, spawned, unheard
from nexo_poller.plugins.ticks import build_tick_request, tick_reply
from nexo_poller.plugins.wire import POLL_TICK, message_of, request_line, result_of
from nexo_poller.poller import PollContext, TickAck

if TYPE_CHECKING:
    from nexo_poller.plugins.router import PluginPollerHandle
    from nexo_poller.plugins.ticks import TickReply, TickRequest

EXIT_SECS: Final = 2.0
ONLY_CALL: Final = 1
MOST_PASSED_OVER: Final = 65_536  # bytes


class NoReply(Exception):
    """No reply was on the plugin's stdout, or too much before it."""


async def spawn_ephemeral_tick(
    handle: "PluginPollerHandle", request: "TickRequest", env: Mapping[str, str], hear: Hear = unheard
) -> "TickReply":
    """What a process started for this tick says of it.

    It gets the request as one line, then the end of its stdin. The first line of its stdout that holds a JSON object is
    the reply; that it stands there counts, and not the exit status. Then the process has 2 s to exit before it is
    killed. `env` is added to its environment; `hear` is told of its stderr, see `spawned`. Cancelling kills it.

    Raises:
        PluginPollerForwardError: no good reply within `tick_timeout`; says how the process ended, its stderr unmasked.
        TickError: the plugin's own error.
    """
    plugin_id, timeout = handle.plugin_id, handle.tick_timeout.total_seconds()
    if handle.entrypoint is None:
        raise PluginPollerForwardError(plugin_id, "it has no entrypoint that could be run for a tick")
    whole_env = {**env, EPHEMERAL: "1", PLUGIN_ID: plugin_id}
    async with spawned(handle.entrypoint, whole_env, hear) as child:
        try:
            with trio.fail_after(timeout):
                await child.send(request_line(ONLY_CALL, POLL_TICK, request.params()))
                child.close_stdin()
                message = await _reply(child)
        except trio.TooSlowError:
            raise PluginPollerForwardError(plugin_id, f"no reply within {timeout:g} s{child.said}") from None
        except LineTooLong as error:
            raise PluginPollerForwardError(plugin_id, f"it wrote {error}{child.said}") from None
        except NoReply as error:
            with trio.move_on_after(EXIT_SECS):  # what still runs then is told as that
                await child.wait()
            raise PluginPollerForwardError(plugin_id, f"no reply{error}: {child.ended}") from None
        with trio.move_on_after(EXIT_SECS):  # then the end of the block kills it
            await child.wait()
    return tick_reply(result_of(message, plugin_id), plugin_id)


async def _reply(child: Child) -> Mapping[str, Any]:
    """The first JSON object on stdout. A little before it is passed over, for programs print things."""
    first_fault, passed_over = "", 0
    while passed_over <= MOST_PASSED_OVER and (line := await child.receive_line()) is not None:
        try:
            return message_of(line)
        except ValueError as error:
            first_fault = first_fault or f" (its stdout is none: {error})"
            passed_over += len(line) + 1
    raise NoReply(first_fault)


@define(eq=False, kw_only=True)
class EphemeralPollerProxy(PluginKind):
    """The poller of one kind of an ephemeral plugin. What runs of `places` at once is for all kinds of the plugin.

    `env` is added to the plugin's environment. What it writes to stderr is logged in the job's name.
    """

    handle: "PluginPollerHandle"
    places: trio.CapacityLimiter
    env: Mapping[str, str] = field(factory=dict)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among the plugin's processes."""
        async with self.places:
            yield

    async def tick(self, ctx: PollContext[Mapping[str, Any]]) -> TickAck:
        """See `spawn_ephemeral_tick`."""

        async def hear(line: str) -> None:
            await ctx.host.log("info", line, {"plugin": self.handle.plugin_id})

        reply = await spawn_ephemeral_tick(self.handle, build_tick_request(ctx), self.env, hear)
        return reply.ack()
