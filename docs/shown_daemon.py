"""The daemon in the pictures: 200 jobs with a night behind them, some in trouble. What happens to it is left to dice."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import cycle, islice, product
from pathlib import Path
from typing import Final

import trio
from attrs import define, evolve, field, frozen
from trio.testing import MockClock

from nexo_poller import (
    At,
    Config,
    Deliver,
    Event,
    Every,
    JobSpec,
    OutboundDelivery,
    PollContext,
    Poller,
    PollerRunner,
    Settings,
    SqliteStore,
    TickAck,
    TransientError,
)
from nexo_poller.clock import Clock
from nexo_poller.errors import BrokerUnavailable
from nexo_poller.poller import TickMetrics
from nexo_poller.testing import VirtualClock

JOBS: Final = 200
NIGHT: Final = timedelta(hours=1)
OUTAGE: Final = timedelta(minutes=24)  # for so long some servers have been down
KINDS: Final = ("rss", "webhook_poll", "jira", "mailbox")
AGENTS: Final = ("ana", "ben", "chloe")
NAMES: Final = ("news", "open-orders", "support", "releases", "inbox", "prices", "invoices", "incidents")
PLACES: Final = (
    *("berlin", "delft", "lagos", "leeds", "lima", "lyon", "malmo", "osaka", "oslo", "porto", "pune", "quito", "riga"),
    *("seoul", "split", "tartu", "tunis", "turin", "utah", "vigo", "york", "zagreb", "accra", "basel", "cairo"),
)
FAULTS: Final = (
    "ConnectTimeout: {place}.example did not answer within 10 s",
    "https://{place}.example/api/v2/items?key=*** answered 503 Service Unavailable",
    "https://{place}.example/all.xml is no feed: <!doctype html> where <rss> was expected",
    "ReadError: connection reset by peer",
)
PAUSES: Final = {
    "invoices-oslo": "ana: the shop moves house until Tuesday",
    "prices-lyon": "ben: too many false alarms",
}
DELIVER: Final = Deliver("telegram", "1194292426")


@frozen
class ShownConfig:
    """What is to be read under a job's configuration."""

    url: str
    message_template: str
    deliver: Deliver
    headers: dict[str, str] = field(factory=dict)


@define(eq=False)
class Acting(Poller[ShownConfig]):
    """Does as a poller of its kind would, if the world were a die."""

    config_type = ShownConfig

    kind: str  # type: ignore[misc] # one class plays every kind
    dawn: datetime

    async def tick(self, ctx: PollContext[ShownConfig]) -> TickAck:
        """Takes a while, sees some items and sends few of them; or fails."""
        habits, luck = random.Random(ctx.job_id), random.Random(f"{ctx.job_id} {ctx.now}")
        usual, is_down = habits.choice((0.05, 0.12, 0.3, 1.1)), habits.random() < 0.06
        await trio.sleep(usual * luck.lognormvariate(0, 0.45))
        if (is_down and ctx.now > self.dawn - OUTAGE) or luck.random() < 0.012:
            await trio.sleep(usual * 5)
            raise TransientError(habits.choice(FAULTS).format(place=ctx.job_id.rpartition("-")[2]))
        news = [order(luck.randint(1000, 9999))] if luck.random() < 0.03 else []
        return TickAck(deliver=news, metrics=TickMetrics(items_seen=luck.randint(4, 40), items_dispatched=len(news)))


def order(number: int) -> OutboundDelivery:
    """A message about an order."""
    text = f"Order {number} of Grace Hopper: {number / 100} EUR\nhttps://shop.example/orders/{number}"
    return OutboundDelivery(channel=DELIVER.channel, recipient=DELIVER.to, payload=text)


def jobs(dawn: datetime) -> Sequence[JobSpec]:
    """The jobs, of which one has had its one date, and one is of a kind that there is not."""
    ids = islice((f"{name}-{place}" for place, name in product(PLACES, NAMES)), JOBS)
    first, second, *others = [job(*named) for named in zip(ids, cycle(KINDS), cycle(AGENTS), strict=False)]
    return [evolve(first, schedule=At(dawn - NIGHT / 4)), evolve(second, kind="webhok_poll"), *others]


def job(job_id: str, kind: str, agent: str) -> JobSpec:
    """One of the jobs."""
    config = {
        "url": f"https://{job_id.rpartition('-')[2]}.example/api/v2/items",
        "headers": {"Authorization": "Bearer 4f1c-99ab-7d20"},
        "message_template": "Order {id} of {customer.name}: {total}\n{link}",
        "deliver": {"channel": DELIVER.channel, "to": DELIVER.to},
    }
    return JobSpec(id=job_id, kind=kind, agent=agent, schedule=Every(timedelta(minutes=1)), config=config)


def runner(folder: Path, dawn: datetime, clock: Clock, *ends: str) -> PollerRunner:
    """The daemon, whose database is in `folder`, with all jobs, or those whose ids end so.

    Of its channels one is down, and one refuses some messages.
    """
    made = PollerRunner(
        Config(
            jobs=tuple(one for one in jobs(dawn) if one.id.endswith(ends or PLACES)),
            agents={agent: {DELIVER.channel: f"{agent}_bot"} for agent in AGENTS},
            settings=Settings(max_delivery_attempts=2),
        ),
        store=SqliteStore(folder / "poller.db", clock=clock),
        clock=clock,
    )

    async def accept(_: Event) -> None:
        await trio.lowlevel.checkpoint()

    async def refuse_some(event: Event) -> None:
        await trio.lowlevel.checkpoint()
        if "7 of" in event.payload["text"]:
            raise ValueError("https://gateway.example answered 400: chat not found")

    async def be_down_at_dawn(_: Event) -> None:
        await trio.lowlevel.checkpoint()
        if clock.now() > dawn - OUTAGE:
            raise BrokerUnavailable("https://gateway.example does not answer")

    for agent, handler in zip(AGENTS, (accept, be_down_at_dawn, refuse_some), strict=True):
        made.subscribe(f"plugin.outbound.{DELIVER.channel}.{agent}_bot", handler)
    for kind in KINDS:
        made.register(Acting(kind, dawn))
    return made


def spend_the_night(folder: Path, dawn: datetime) -> None:
    """An hour of the daemon, in virtual time, up to `dawn`."""
    trio.run(_night, folder, dawn, clock=MockClock(autojump_threshold=0))


async def _night(folder: Path, dawn: datetime) -> None:
    clock = VirtualClock(dawn - NIGHT)
    daemon = runner(folder, dawn, clock)
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.serve)
        await trio.sleep(NIGHT.total_seconds())
        for job_id, reason in PAUSES.items():
            await daemon.pause(job_id, reason=reason)
        await daemon.shutdown()
