"""A daemon that sends numbers to JetStream, one job of a poller that needs nobody else.

It can be told to stop for good, waiting to be killed, at the points of `nexo_poller.testing.traps`; there `published` means that
JetStream's acknowledgement has been received.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import trio
from attrs import frozen
from numbers_daemon import trap_of
from serving import arguments, serve

from nexo_poller import (
    Config,
    Every,
    JobSpec,
    Message,
    OutboundDelivery,
    PollContext,
    Poller,
    PollerRunner,
    Settings,
    TickAck,
)
from nexo_poller.broker.nats.broker import NatsBroker
from nexo_poller.config.model import BrokerSettings
from nexo_poller.testing.traps import Trap, TrappedStore


@frozen
class NoConfig:
    pass


class Counter(Poller[NoConfig]):
    """Sends one to three numbers a tick, those after its cursor."""

    kind = "counter"
    config_type = NoConfig

    async def tick(self, ctx: PollContext[NoConfig]) -> TickAck:
        await trio.lowlevel.checkpoint()
        sent = int(ctx.cursor or b"0")
        numbers = range(sent + 1, sent + 2 + sent % 3)
        return TickAck(
            deliver=[OutboundDelivery(channel="telegram", recipient="42", payload=f"number {n}") for n in numbers],
            next_cursor=str(numbers[-1]).encode(),
        )


def spring_at(trap: Trap) -> None:
    """Let publishing be the last thing that happens."""
    publish = NatsBroker.publish

    async def trapped(self: NatsBroker, message: Message) -> None:
        await trap.passes_by("publishing")
        await publish(self, message)
        await trap.passes_by("published")

    setattr(NatsBroker, "publish", trapped)  # noqa: B010 - mypy has no word for it


def config(told: Any) -> Config:
    """One job, at `every_ms`; JetStream is at `nats`."""
    every = Every(timedelta(milliseconds=told["every_ms"]), jitter=timedelta())
    return Config(
        settings=Settings(state_db=Path(told["db"])),
        broker=BrokerSettings(type="nats", url=told["nats"]),
        agents={"ana": {"telegram": "ana_bot"}},
        jobs=(JobSpec(id="numbers", kind="counter", agent="ana", schedule=every, config={}),),
    )


def main() -> None:
    told = arguments()
    trap = trap_of(told)
    spring_at(trap)
    serve(PollerRunner(config(told), store=TrappedStore(Path(told["db"]), trap)).register(Counter()))


if __name__ == "__main__":
    main()
