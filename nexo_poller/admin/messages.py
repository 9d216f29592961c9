"""Messages on their way, and those that went nowhere."""

from typing import Any

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.incoming import WHOLE_NUMBER
from nexo_poller.admin.masked import masked
from nexo_poller.admin.route import Call
from nexo_poller.shapes import dead_letter, pending_message


async def list_outbox(call: Call) -> Any:
    """A page of the outbox, in the order of commit."""
    waiting = await call.runner.outbox(call.query["limit"], call.query["after"], call.query.get("job"))
    return await masked([*map(pending_message, waiting)], call.runner)


async def list_dead_letters(call: Call) -> Any:
    """A page of the dead letters, oldest first."""
    dead = await call.runner.dead_letters(call.query["limit"], call.query["after"])
    return await masked([*map(dead_letter, dead)], call.runner)


async def replay_dead_letter(call: Call) -> dict[str, Any]:
    """Back into the outbox, with its id."""
    await call.runner.replay_dead_letter(_number(call))
    return {"ok": True, "replayed": True}


async def discard_dead_letter(call: Call) -> dict[str, Any]:
    """Away with it."""
    await call.runner.discard_dead_letter(_number(call))
    return {"ok": True, "deleted": 1}


async def discard_dead_letters(call: Call) -> dict[str, Any]:
    """Away with all of them."""
    return {"ok": True, "deleted": await call.runner.discard_dead_letters()}


def _number(call: Call) -> int:
    if not WHOLE_NUMBER.fullmatch(call.path["id"]):
        raise Failure(404, f"there is no dead letter '{call.path['id']}': they have numbers")
    return int(call.path["id"])
