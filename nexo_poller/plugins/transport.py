"""What every way to a long-lived plugin can do, and what the runner does for the plugin in return."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import trio

from nexo_poller.poller import PollerHost

if TYPE_CHECKING:
    from nexo_poller.plugins.ticks import TickReply, TickRequest


class PluginServices(Protocol):
    """What a runner offers to one plugin. A reload may change the answers, so ask each time anew."""

    def agents(self) -> Collection[str]:
        """The agents that have a job of this plugin's kinds: it may have their credentials, and no others."""
        ...

    def host(self, agent_id: str | None = None) -> PollerHost:
        """A way out for what belongs to no tick, on behalf of this agent, if of any.

        What it publishes goes straight to the broker, and what it counts and logs is the plugin's.
        """
        ...


class Transport(Protocol):
    """A way to one plugin that lives as long as the runner. `run` is under way, or about to be, when anything else is called."""

    async def run(self, services: PluginServices, *, task_status: trio.TaskStatus[None]) -> None:
        """Keep the plugin up, and answer its callbacks, until cancelled; then see it off.

        Started means that the first attempt is over, however it went. Nothing that the plugin does makes this raise.
        """
        ...

    async def tick(self, request: "TickRequest", host: PollerHost) -> "TickReply":
        """The plugin's reply; what it calls back for during this tick goes to `host`.

        The caller bounds the time and the number of ticks at once, and may cancel: a reply that comes later is dropped.

        Raises `PluginPollerForwardError` if there is no reply, or none that can be used, and what the plugin's own
        error stands for otherwise (`wire.error_of`).
        """
        ...

    async def tools(self, kind: str) -> Sequence[Any]:
        """What the plugin lists as tools of this kind, unchecked; nothing if it does not know the question.

        Raises like `tick`.
        """
        ...

    async def call_tool(self, kind: str, name: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """The tool's answer. `args` has `agent_id`, who calls, among the arguments. Raises like `tick`."""
        ...
