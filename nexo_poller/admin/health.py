"""How the daemon is: for whoever restarts it, or sends it work."""

from typing import Any

from nexo_poller.admin.route import Call


async def alive(_: Call) -> dict[str, Any]:
    """The process answers."""
    return {"ok": True}


async def ready(_: Call) -> dict[str, Any]:
    """The runner serves: while it does not, this is not reached."""
    return {"ok": True}
