"""The kinds of plugins, as far as they are known before anything of them runs."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define

from nexo_poller.config.manifests import KINDS, plugin_key
from nexo_poller.config.model import Config
from nexo_poller.config.problems import Where
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.poller import Poller


@define(eq=False)
class PluginKind(Poller[Mapping[str, Any]]):
    """Stands for the plugin that owns a kind, and takes what can travel to it; what ticks is a heir's."""

    kind: str  # type: ignore[misc] # a class of its own for each kind would have nothing else of its own
    description = "A kind of a plugin, which checks its config itself."
    config_type = Mapping[str, Any]

    def validate(self, config: Mapping[str, Any]) -> None:
        """Refuse what JSON cannot hold."""
        try:
            json.dumps(config, allow_nan=False)
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"plugins get their config as JSON: {error}") from error


def plugin_kinds(kinds: Iterable[str]) -> dict[str, Poller[Any]]:
    """Something that stands for each of the kinds."""
    return {kind: PluginKind(kind) for kind in kinds}


def owners_of(config: Config) -> dict[str, str]:
    """The id of the plugin that owns a kind, for the kinds of plugins."""
    return {kind: plugin.id for plugin in config.plugins for kind in plugin.kinds}


def kinds_taken(owners: Mapping[str, str], pollers: Mapping[str, Poller[Any]], where: Where) -> tuple[Problem, ...]:
    """A problem for each kind that a plugin shares with one of the `pollers` of this process. Both owners are named."""
    return tuple(
        Problem(
            what=f"the kind '{kind}' of plugin '{owner}' is owned by {_name(pollers[kind])} of this process already",
            remedy="remove it here, or do not register the other",
            key=plugin_key(owner, *KINDS, kind),
            where=where(plugin_key(owner, *KINDS)),
        )
        for kind, owner in owners.items()
        if kind in pollers
    )


def _name(poller: Poller[Any]) -> str:
    return f"{type(poller).__module__}.{type(poller).__qualname__}"
