"""Questions to a plugin over a broker, and their topics."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import outcome
import trio
from attrs import Factory, define

from nexo_poller.broker import Broker
from nexo_poller.errors import BrokerError, PluginPollerForwardError
from nexo_poller.failures import describe
from nexo_poller.plugins.ticks import TickReply, TickRequest, tick_reply
from nexo_poller.plugins.wire import POLL_TICK, request_line, result_of, unwrap

if TYPE_CHECKING:
    from nexo_poller.plugins.router import PluginPollerHandle


def callback_topic(plugin_id: str) -> str:
    """Where the daemon answers what this plugin asks of it."""
    return f"daemon.rpc.{plugin_id}"


def tools_topic(handle: "PluginPollerHandle") -> str:
    """Where a plugin is asked for its tools, and to call them."""
    return f"{handle.broker_topic_prefix}.tools"


async def forward_tick(
    broker: Broker, handle: "PluginPollerHandle", request: TickRequest, timeout: timedelta | None = None
) -> TickReply:
    """The plugin's reply to a tick, which it gets on its topic; it has `timeout`, or its handle's `tick_timeout`.

    Raises `PluginPollerForwardError` if there is no reply, or none that can be used, and what the plugin's own error
    stands for otherwise (`wire.error_of`).
    """
    result = await ask(
        broker,
        handle,
        handle.tick_topic,
        POLL_TICK,
        request.params(),
        handle.tick_timeout if timeout is None else timeout,
    )
    return tick_reply(result, handle.plugin_id)


async def ask(  # noqa: PLR0913, PLR0917 - what a request is made of
    broker: Broker, handle: "PluginPollerHandle", topic: str, method: str, params: Mapping[str, Any], timeout: timedelta
) -> Any:
    """The result of a call of the plugin's. Raises like `forward_tick`."""
    plugin_id = handle.plugin_id
    try:
        body = await broker.request(topic, request_line(str(uuid4()), method, params).strip(), timeout)
    except BrokerError as error:
        raise PluginPollerForwardError(plugin_id, f"{method}: {describe(error)}") from error
    try:
        reply = unwrap(body)
    except ValueError as error:
        raise PluginPollerForwardError(plugin_id, f"its reply to {method} is no message: {error}") from error
    return result_of(reply, plugin_id)


@define(eq=False)
class Asked:
    """A tick that the plugin has, until its reply is there, or nobody expects one any more."""

    over: trio.Event = Factory(trio.Event)
    _came: outcome.Outcome[TickReply] | None = None
    _scope: trio.CancelScope = Factory(trio.CancelScope)

    async def run(self, forward: Callable[[], Awaitable[TickReply]]) -> None:
        """Ask, and wait for the reply."""
        try:
            with self._scope:
                self._came = outcome.Value(await forward())
        except Exception as error:  # noqa: BLE001 - whoever waits for the reply gets it
            self._came = outcome.Error(error)
        finally:
            self.over.set()

    def end(self, error: Exception) -> None:
        """Expect no reply any more."""
        self._came = outcome.Error(error)
        self._scope.cancel()

    async def reply(self, otherwise: Exception) -> TickReply:
        """The reply, or what came in its place; `otherwise` if the transport was stopped."""
        await self.over.wait()
        if self._came is None:
            raise otherwise
        return self._came.unwrap()
