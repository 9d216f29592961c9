"""A daemon that polls the numbered source: the job `numbers` with a poller of its own, `orders` as `webhook_poll`.

It can be told to stop for good, waiting to be killed, when it comes by a `point` for the n-th time:

    committing  in the commit's transaction, between the cursor and the messages
    saved       after the commit's transaction, before the runner hears of it
    publishing  before the broker is asked to publish
    published   when the broker has accepted, before the delete
    deleting    in the delete's transaction
"""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import trio
from attrs import define, frozen
from serving import arguments, say, serve

from nexo_poller import (
    Config,
    Deliver,
    Every,
    JobSpec,
    LocalBroker,
    Message,
    OutboundDelivery,
    PollContext,
    Poller,
    PollerRunner,
    Settings,
    SqliteStore,
    TickAck,
)
from nexo_poller.runner import job, relay
from nexo_poller.store import Claim, Commit

DELIVER = {"channel": "telegram", "to": "42"}
STATEMENTS = {"INSERT INTO poll_outbox": "committing", "DELETE FROM poll_outbox": "deleting"}


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


@define(eq=False)
class Trap:
    """Says `at <point>` when `point` is passed once more than `passes` times."""

    point: str
    passes: int

    def springs(self, point: str) -> bool:
        if point != self.point:
            return False
        self.passes -= 1
        if self.passes >= 0:
            return False
        say(f"at {point}")
        return True


class TrappedStore(SqliteStore):
    """A store whose statements and commits may be the last."""

    def __init__(self, path: Path, trap: Trap) -> None:
        super().__init__(path)
        self.trap = trap

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._writer.exec_trace = self._stop_before
        return self

    def _stop_before(self, _cursor: object, sql: str, _bindings: object) -> bool:
        for beginning, point in STATEMENTS.items():
            if sql.strip().startswith(beginning) and self.trap.springs(point):
                threading.Event().wait()
        return True

    async def commit(self, claim: Claim, commit: Commit, **options: Any) -> None:
        await super().commit(claim, commit, **options)
        if commit.outgoing and self.trap.springs("saved"):
            await trio.sleep_forever()


class TrappedBroker(LocalBroker):
    """A broker whose publishing may be the last thing that happens."""

    def __init__(self, trap: Trap) -> None:
        super().__init__()
        self.trap = trap

    async def publish(self, message: Message) -> None:
        if self.trap.springs("publishing"):
            await trio.sleep_forever()
        await super().publish(message)
        if self.trap.springs("published"):
            await trio.sleep_forever()


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
    trap = Trap(told.get("point", ""), told.get("passes", 0))
    store, broker = TrappedStore(Path(told["db"]), trap), TrappedBroker(trap)
    serve(PollerRunner(config(told), store=store, broker=broker).register(NumbersPoller()))


if __name__ == "__main__":
    main()
