"""What a plugin says of itself when it starts, beside what its manifest says."""

from typing import TYPE_CHECKING

from nexo_poller.errors import PluginPollerForwardError
from nexo_poller.plugins.members import Members, WrongMember

if TYPE_CHECKING:
    from nexo_poller.plugins.router import PluginPollerHandle


def check_introduction(result: object, handle: "PluginPollerHandle") -> None:
    """`{name, version, capabilities: {pollers: [kind, …]}}` must have every kind that the manifest promises.

    Raises `PluginPollerForwardError` that names what is missing or has a wrong type.
    """
    try:
        whole = Members.of("initialize", result)
        for name in ("name", "version"):
            whole.text(name)
        offered = whole.object("capabilities").texts("pollers")
    except WrongMember as error:
        raise PluginPollerForwardError(handle.plugin_id, str(error), member=error.member) from None
    if missing := [kind for kind in handle.kinds if kind not in offered]:
        raise PluginPollerForwardError(
            handle.plugin_id,
            f"its manifest promises the kinds {', '.join(missing)}, of which `initialize` says nothing; "
            "correct `kinds` in its nexo-plugin.toml, or the plugin",
            member="initialize.capabilities.pollers",
        )
