"""Pollers in processes of their own: programs in any language, spoken to over stdio or a broker.

For such a program in Python there is `serve`; importing it loads nothing that only the daemon needs. The other names are
those of the daemon's side, for whoever builds or tests with its parts.
"""

from typing import TYPE_CHECKING, Final

from nexo_poller.errors import PluginPollerForwardError, PollerRouteRegistrationError
from nexo_poller.on_demand import on_demand
from nexo_poller.plugins.sdk.serving import serve

if TYPE_CHECKING:
    from nexo_poller.plugins.ephemeral import EphemeralPollerProxy, spawn_ephemeral_tick
    from nexo_poller.plugins.forwarding import forward_tick
    from nexo_poller.plugins.proxy import PluginPollerProxy
    from nexo_poller.plugins.router import Entrypoint, PluginPollerHandle, PluginPollerRouter
    from nexo_poller.plugins.sdk.host import BrokerPollerHost
    from nexo_poller.plugins.ticks import TickReply, TickRequest, build_tick_request, encode_cursor

__all__ = [
    "BrokerPollerHost",
    "Entrypoint",
    "EphemeralPollerProxy",
    "PluginPollerForwardError",
    "PluginPollerHandle",
    "PluginPollerProxy",
    "PluginPollerRouter",
    "PollerRouteRegistrationError",
    "TickReply",
    "TickRequest",
    "build_tick_request",
    "encode_cursor",
    "forward_tick",
    "serve",
    "spawn_ephemeral_tick",
]

_HOMES: Final = {
    "BrokerPollerHost": "nexo_poller.plugins.sdk.host",
    "Entrypoint": "nexo_poller.plugins.router",
    "EphemeralPollerProxy": "nexo_poller.plugins.ephemeral",
    "PluginPollerHandle": "nexo_poller.plugins.router",
    "PluginPollerProxy": "nexo_poller.plugins.proxy",
    "PluginPollerRouter": "nexo_poller.plugins.router",
    "TickReply": "nexo_poller.plugins.ticks",
    "TickRequest": "nexo_poller.plugins.ticks",
    "build_tick_request": "nexo_poller.plugins.ticks",
    "encode_cursor": "nexo_poller.plugins.ticks",
    "forward_tick": "nexo_poller.plugins.forwarding",
    "spawn_ephemeral_tick": "nexo_poller.plugins.ephemeral",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
