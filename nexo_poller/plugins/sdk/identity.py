"""Who a plugin is: what the daemon has put into its environment, and what stands in its own manifest."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from nexo_poller.plugins.environment import PLUGIN_ID

MANIFEST: Final = Path("nexo-plugin.toml")  # in the working directory, which the daemon makes the manifest's folder
LONGEST_TICK: Final = timedelta(hours=1)
TICK_TIMEOUT_SECS: Final = 60


@frozen(kw_only=True)
class Identity:
    """`topic_prefix` is where a broker brings the ticks, `tick_timeout` after how long nobody waits for one any more."""

    plugin_id: str
    version: str = ""
    topic_prefix: str = ""
    tick_timeout: timedelta = LONGEST_TICK

    @classmethod
    def of_environment(cls) -> "Identity":
        """As the daemon names the plugin; the name is empty in a program started by hand."""
        return cls(plugin_id=os.environ.get(PLUGIN_ID, ""))

    @classmethod
    def of_manifest(cls) -> "Identity":
        """By the manifest too, if there is one; it is taken as it is, for the daemon has checked it."""
        import tomllib  # a tick of an ephemeral plugin does not need it

        plugin = _table(tomllib.loads(MANIFEST.read_text()) if MANIFEST.exists() else {}, "plugin")
        poller = _table(plugin, "poller")
        return cls(
            plugin_id=os.environ.get(PLUGIN_ID) or str(plugin.get("id", "")),
            version=str(plugin.get("version", "")),
            topic_prefix=str(poller.get("broker_topic_prefix", "")),
            tick_timeout=timedelta(seconds=poller.get("tick_timeout_secs", TICK_TIMEOUT_SECS)),
        )


def _table(within: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = within.get(name, {})
    return table if isinstance(table, Mapping) else {}
