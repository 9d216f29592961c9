"""Which plugin owns a kind, and how it is run and spoken to."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from attrs import define, field, frozen
from attrs.validators import ge, gt

from nexo_poller.config.plugins import Lifecycle, PluginManifest
from nexo_poller.errors import PollerRouteRegistrationError


@frozen(kw_only=True)
class Entrypoint:
    """How to start a plugin: an absolute path, never a line for a shell; `folder` is where it runs."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict, repr=False)
    folder: Path


@frozen(kw_only=True)
class PluginPollerHandle:
    """A plugin's pollers, as its manifest has them. Without an `entrypoint` somebody else runs it."""

    plugin_id: str
    kinds: tuple[str, ...]
    broker_topic_prefix: str
    lifecycle: Lifecycle = "long_lived"
    max_concurrent_ticks: int = field(default=1, validator=ge(1))
    tick_timeout: timedelta = field(default=timedelta(seconds=60), validator=gt(timedelta()))
    entrypoint: Entrypoint | None = None
    publish: tuple[str, ...] = ()

    @property
    def tick_topic(self) -> str:
        """Where a broker takes its ticks."""
        return f"{self.broker_topic_prefix}.tick"


def handle_of(manifest: PluginManifest) -> PluginPollerHandle:
    """The same, without what only people and editors of the manifest care about."""
    return PluginPollerHandle(
        plugin_id=manifest.id,
        kinds=manifest.kinds,
        broker_topic_prefix=manifest.broker_topic_prefix,
        lifecycle=manifest.lifecycle,
        max_concurrent_ticks=manifest.max_concurrent_ticks,
        tick_timeout=manifest.tick_timeout,
        entrypoint=None
        if manifest.command is None
        else Entrypoint(command=manifest.command, args=manifest.args, env=manifest.env, folder=manifest.folder),
        publish=manifest.publish,
    )


@define(eq=False)
class PluginPollerRouter:
    """The plugins that are there, by their ids and by the kinds they own. A kind has one owner."""

    _handles: dict[str, PluginPollerHandle] = field(factory=dict, init=False)
    _owners: dict[str, PluginPollerHandle] = field(factory=dict, init=False)

    def register(self, handle: PluginPollerHandle) -> None:
        """Add a plugin, in the place of the one of the same id.

        Raises `PollerRouteRegistrationError`, and changes nothing, if another plugin owns one of its kinds.
        """
        for kind in handle.kinds:
            owner = self._owners.get(kind)
            if owner is not None and owner.plugin_id != handle.plugin_id:
                raise PollerRouteRegistrationError(kind, handle.plugin_id, owner.plugin_id)
        self.unregister(handle.plugin_id)
        self._handles[handle.plugin_id] = handle
        self._owners |= dict.fromkeys(handle.kinds, handle)

    def unregister(self, plugin_id: str) -> None:
        """Remove a plugin and the kinds it owns; nothing happens if it is not there."""
        handle = self._handles.pop(plugin_id, None)
        for kind in handle.kinds if handle else ():
            self._owners.pop(kind, None)

    def handle_for_kind(self, kind: str) -> PluginPollerHandle | None:
        """The plugin that owns `kind`; None if no plugin does."""
        return self._owners.get(kind)

    def handles_for_plugin(self, plugin_id: str) -> tuple[PluginPollerHandle, ...]:
        """What is registered under this id: one handle, or none."""
        handle = self._handles.get(plugin_id)
        return () if handle is None else (handle,)

    def __len__(self) -> int:
        """How many plugins there are."""
        return len(self._handles)
