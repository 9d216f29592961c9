"""Warns when a disk fills up: an ordinary poller, run as a plugin by the call at the end."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen
from attrs.validators import ge, le

from nexo_poller import Deliver, OutboundDelivery, PollContext, Poller, TickAck, TickMetrics, Tool, TransientError
from nexo_poller.plugins import serve

LOW, ENOUGH = b"low", b"enough"


@frozen
class FreeSpaceConfig:
    path: str
    deliver: Deliver
    warn_below_percent: float = field(default=10.0, validator=[ge(0), le(100)])


class FreeSpacePoller(Poller[FreeSpaceConfig]):
    kind = "free_space"
    description = "Warns when a disk fills up."
    config_type = FreeSpaceConfig

    async def tick(self, ctx: PollContext[FreeSpaceConfig]) -> TickAck:
        percent, to = free_percent(ctx.config.path), ctx.config.deliver
        await ctx.host.metric_inc("disks_looked_at", {"path": ctx.config.path})
        await ctx.host.log("debug", f"{percent:.0f} % of {ctx.config.path} are free")
        state = LOW if percent < ctx.config.warn_below_percent else ENOUGH
        if state == (ctx.cursor or ENOUGH):
            return TickAck(next_cursor=state, metrics=TickMetrics(items_seen=1))
        news = OutboundDelivery(
            channel=to.channel,
            recipient=to.to,
            payload=f"{ctx.config.path} has {percent:.0f} % free" + (", which is little" if state is LOW else " again"),
        )
        return TickAck(deliver=[news], next_cursor=state, metrics=TickMetrics(items_seen=1, items_dispatched=1))

    def custom_tools(self) -> Sequence[Tool]:
        return [
            Tool(
                name="free_space_now",
                description="How much of a disk is free at this moment, in per cent.",
                parameters={
                    "type": "object",
                    "properties": {"path": {"type": "string", "description": "A folder on the disk."}},
                    "required": ["path"],
                    "additionalProperties": False,
                },
                handler=free_space_now,
            )
        ]


async def free_space_now(_: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"path": arguments["path"], "free_percent": round(free_percent(arguments["path"]), 1)}


def free_percent(path: str) -> float:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        raise TransientError(f"{path} cannot be looked at: {error.strerror}") from error
    return 100 * usage.free / usage.total


if __name__ == "__main__":
    serve(FreeSpacePoller())
