"""The configuration, read again."""

from typing import Any

from nexo_poller.admin.route import Call
from nexo_poller.shapes import reload_plan


async def reload(call: Call) -> dict[str, Any]:
    """What changed, or in a dry run what would; a client that goes away leaves a reload running to its end (R4)."""
    config = await call.runner.reread()
    plan = call.runner.diff(config) if call.query["dry_run"] else await call.runner.reload(config)
    return {"ok": True, **reload_plan(plan)}
