"""The plugins of a runner: all of them open while it is, exchanged by a reload."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import trio
from attrs import Factory, define, field, frozen

from nexo_poller.broker import Broker
from nexo_poller.config.model import BrokerSettings
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.plugins.environment import BROKER_URL
from nexo_poller.plugins.ephemeral import EphemeralPollerProxy
from nexo_poller.plugins.nats import NatsTransport
from nexo_poller.plugins.proxy import PluginPollerProxy
from nexo_poller.plugins.router import PluginPollerHandle, PluginPollerRouter, handle_of
from nexo_poller.plugins.stdio import StdioTransport
from nexo_poller.plugins.transport import PluginServices, Transport
from nexo_poller.poller import Poller

START_SECONDS: Final = 5.0  # for which a runner waits for a plugin that does not come up, before it goes on without
ASK_AGAIN_SECONDS: Final = 30.0
ServicesOf = Callable[[PluginPollerHandle], PluginServices]


@define(eq=False, kw_only=True)
class Plugin:
    """A plugin and the pollers of its kinds. One that is ephemeral has no transport: there is nothing to keep up."""

    manifest: PluginManifest
    handle: PluginPollerHandle
    pollers: Mapping[str, Poller[Any]]
    transport: Transport | None
    is_ready: trio.Event = Factory(trio.Event)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _gone: trio.Event = field(factory=trio.Event, init=False)

    async def run(self, services: PluginServices) -> None:
        """Keep the plugin up until stopped. It is ready when its first start is over, however that went."""
        try:
            with self._scope:
                if self.transport is not None:
                    async with trio.open_nursery() as nursery:
                        await nursery.start(self.transport.run, services)
                        await self._learn_tools()
        finally:
            self.is_ready.set()
            self._gone.set()

    async def stop(self) -> None:
        """End the plugin; return once nothing of it is left."""
        self._scope.cancel()
        await self._gone.wait()

    async def _learn_tools(self) -> None:
        unasked = [poller for poller in self.pollers.values() if isinstance(poller, PluginPollerProxy)]
        while unasked:
            unasked = [poller for poller in unasked if not await poller.learn_tools()]
            self.is_ready.set()
            await trio.sleep(ASK_AGAIN_SECONDS)


@frozen
class Reach:
    """By which way plugins are spoken to."""

    settings: BrokerSettings
    broker: Broker

    def plugin(self, manifest: PluginManifest) -> Plugin:
        """The plugin, not started."""
        handle = handle_of(manifest)
        places = trio.CapacityLimiter(handle.max_concurrent_ticks)
        env = {BROKER_URL: self.settings.url} if self.settings.type == "nats" else {}
        pollers: dict[str, Poller[Any]] = {}
        if handle.lifecycle == "ephemeral":
            for kind in handle.kinds:
                pollers[kind] = EphemeralPollerProxy(handle=handle, kind=kind, places=places, env=env)
            return Plugin(manifest=manifest, handle=handle, pollers=pollers, transport=None)
        transport = self._transport(handle, places)
        for kind in handle.kinds:
            pollers[kind] = PluginPollerProxy(kind, handle, transport, places)
        return Plugin(manifest=manifest, handle=handle, pollers=pollers, transport=transport)

    def _transport(self, handle: PluginPollerHandle, places: trio.CapacityLimiter) -> Transport:
        if self.settings.type == "nats":
            return NatsTransport(handle, places, self.broker, self.settings.url)
        return StdioTransport(handle, places)


@define(eq=False)
class Plugins:
    """The plugins that are open. A reload first makes what is `wanted`, to look at, and then exchanges what differs."""

    _reach: Reach
    _open: Mapping[str, Plugin] = field(factory=dict, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)
    _services_of: ServicesOf | None = field(default=None, init=False)

    def wanted(self, manifests: Iterable[PluginManifest]) -> Mapping[str, Plugin]:
        """By their ids: the plugins that are open already and whose manifest is the same; others are new, not started.

        Raises `PollerRouteRegistrationError` if two of them own one kind, as only a configuration made in code can have it.
        """
        by_id: dict[str, Plugin] = {}
        router = PluginPollerRouter()
        for manifest in manifests:
            plugin = self._open.get(manifest.id)
            by_id[manifest.id] = plugin if plugin and plugin.manifest == manifest else self._reach.plugin(manifest)
            router.register(by_id[manifest.id].handle)
        return by_id

    @property
    def pollers(self) -> Mapping[str, Poller[Any]]:
        """The pollers of all kinds that plugins own."""
        return pollers_of(self._open)

    @asynccontextmanager
    async def running(self, wanted: Mapping[str, Plugin], services_of: ServicesOf) -> AsyncIterator[None]:
        """These plugins run during the block, those that do not come up excepted; nothing of them is left after it.

        What the block raises comes out as it is, in no group.
        """
        raised: BaseException | None = None
        async with trio.open_nursery() as nursery:
            self._nursery, self._services_of = nursery, services_of
            try:
                await self.exchange(wanted)
                yield
            except BaseException as error:  # noqa: BLE001 - only carried out of the nursery, which would make it a group
                raised = error
            nursery.cancel_scope.cancel()
        if raised is not None:
            raise raised

    async def exchange(self, wanted: Mapping[str, Plugin]) -> None:
        """Stop the plugins that are not `wanted`, then start those that are new. Raises nothing, whatever they do."""
        assert self._nursery is not None and self._services_of is not None  # noqa: S101, PT018 - it runs
        async with trio.open_nursery() as stopping:
            for plugin in self._open.values():
                if wanted.get(plugin.manifest.id) is not plugin:
                    stopping.start_soon(plugin.stop)
        new = [plugin for plugin in wanted.values() if plugin not in self._open.values()]
        self._open = wanted
        for plugin in new:
            self._nursery.start_soon(plugin.run, self._services_of(plugin.handle))
        with trio.move_on_after(START_SECONDS):
            for plugin in new:
                await plugin.is_ready.wait()


def pollers_of(plugins: Mapping[str, Plugin]) -> Mapping[str, Poller[Any]]:
    """The pollers of all kinds of these plugins."""
    return {kind: poller for plugin in plugins.values() for kind, poller in plugin.pollers.items()}
