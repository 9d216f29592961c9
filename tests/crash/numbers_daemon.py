"""A daemon that polls the numbered source: the job `numbers` with a poller of its own, `orders` as `webhook_poll`.

It can be told to stop for good, waiting to be killed, when it comes by a `point` of `nexo_poller.testing.traps` for the
n-th time.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import frozen
from serving import arguments, say, serve

from nexo_poller import (
    Config,
    Deliver,
    Every,
    JobSpec,
    OutboundDelivery,
    PollContext,
    Poller,
    PollerRunner,
    Settings,
    TickAck,
)
from nexo_poller.runner import job, relay
from nexo_poller.testing.traps import Trap, TrappedBroker, TrappedStore

DELIVER = {"channel": "telegram", "to": "42"}


@frozen
class NumbersConfig:
    url: str
    deliver: Deliver
    allow_private_networks: bool = True


class NumbersPoller(Poller[NumbersConfig]):
    """Asks for the numbers after its cursor, which is the last one that it sent."""

    kind = "numbers"
    config_type = NumbersConfig

    async def tick(self, ctx: PollContext[NumbersConfig]) -> TickAck:
        response = await ctx.http.get(ctx.config.url, params={"after": (ctx.cursor or b"0").decode()})
        response.raise_for_status()
        texts = [f"{ctx.job_id} {n}" for n in response.json()]
        to = ctx.config.deliver
        return TickAck(
            deliver=[OutboundDelivery(channel=to.channel, recipient=to.to, payload=text) for text in texts],
            next_cursor=texts[-1].partition(" ")[2].encode() if texts else None,
        )


def trap_of(told: Any) -> Trap:
    """Says `at <point>` where it springs."""
    return Trap(told.get("point", ""), told.get("passes", 0), lambda point: say(f"at {point}"))


def config(told: Any) -> Config:
    """The jobs that `told` names, all at `every_ms`."""
    kinds: dict[str, dict[str, Any]] = {
        "numbers": {"kind": "numbers", "config": {}},
        "orders": {
            "kind": "webhook_poll",
            "config": {"items_path": "items", "message_template": "orders {id}", "allow_private_networks": True},
        },
    }
    every = Every(timedelta(milliseconds=told["every_ms"]), jitter=timedelta())
    return Config(
        settings=Settings(state_db=Path(told["db"])),
        jobs=tuple(
            JobSpec(
                id=name,
                kind=kinds[name]["kind"],
                agent="ana",
                schedule=every,
                config={"url": f"{told['source']}/{name}", "deliver": DELIVER, **kinds[name]["config"]},
            )
            for name in told["jobs"]
        ),
        channels={"*": told["inbox"]},
    )


def main() -> None:
    told = arguments()
    if "lease_secs" in told:  # shorter than L4 lets it be, for a test that has to wait for its end
        vars(job)["SHORTEST_LEASE"] = vars(relay)["TTL"] = timedelta(seconds=told["lease_secs"])
    trap = trap_of(told)
    store, broker = TrappedStore(Path(told["db"]), trap), TrappedBroker(trap)
    serve(PollerRunner(config(told), store=store, broker=broker).register(NumbersPoller()))


if __name__ == "__main__":
    main()
