"""The world around a daemon under trial: a source of numbered items, and a receiver that remembers what came."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final
from urllib.parse import parse_qs, urlsplit

import trio
from attrs import Factory, define, frozen
from http_server import Handler, Request, Response, Server, http_server

WINDOW: Final = 100  # items that a document lists, the newest ones; far more than a life brings


@define(eq=False)
class Hold:
    """Keeps whoever comes by `point` once more than `passes` times, until `released`."""

    point: str = ""
    passes: int = 0
    reached: trio.Event = Factory(trio.Event)
    released: trio.Event = Factory(trio.Event)

    async def passes_by(self, point: str) -> None:
        """Wait, if this is the point and the time."""
        if point != self.point:
            return
        self.passes -= 1
        if self.passes < 0:
            self.reached.set()
            await self.released.wait()


@define(eq=False, kw_only=True)
class Source:
    """The lists `numbers` and `orders`: 1, 2, 3 … Each grows with every question while `is_growing`."""

    chance: Random
    hold: Hold = Factory(Hold)
    published: dict[str, int] = Factory(lambda: {"numbers": 0, "orders": 0})
    is_growing: bool = True

    def newest(self, name: str) -> list[str]:
        """What the list has now."""
        return self.items(name)[-WINDOW:]

    def items(self, name: str) -> list[str]:
        """All that the list ever had, as the messages about them say it."""
        return [f"{name} {n}" for n in range(1, self.published[name] + 1)]

    async def numbers(self, request: Request) -> Response:
        """The numbers after `?after=`."""
        self._grow("numbers")
        after = int(parse_qs(urlsplit(request.target).query)["after"][0])
        return await self._answer(list(range(after + 1, self.published["numbers"] + 1)))

    async def orders(self, _request: Request) -> Response:
        """The newest orders."""
        self._grow("orders")
        newest = range(max(1, self.published["orders"] + 1 - WINDOW), self.published["orders"] + 1)
        return await self._answer({"items": [{"id": n} for n in newest]})

    def _grow(self, name: str) -> None:
        if self.is_growing:
            self.published[name] += self.chance.randint(1, 3)

    async def _answer(self, document: object) -> Response:
        await self.hold.passes_by("asked")
        return Response(headers={"Content-Type": "application/json"}, body=self._halves(json.dumps(document).encode()))

    async def _halves(self, body: bytes) -> AsyncGenerator[bytes, None]:
        yield body[: len(body) // 2]
        await self.hold.passes_by("half answered")
        yield body[len(body) // 2 :]


def one_number(hold: Hold) -> Source:
    """A source that has one number, and will never have another."""
    return Source(chance=Random(0), hold=hold, published={"numbers": 1, "orders": 0}, is_growing=False)


@frozen
class Arrival:
    """A message as the receiver got it; `text` is about one item, `sender` the path that it was posted to."""

    id: str
    text: str
    body: bytes
    sender: str


@define(eq=False)
class Receiver:
    """All that arrived, in order, redeliveries included."""

    hold: Hold = Factory(Hold)
    arrivals: list[Arrival] = Factory(list)
    _news: trio.Event = Factory(trio.Event)

    async def take(self, request: Request) -> Response:
        """Remember a message, and answer 200."""
        event = json.loads(request.body)
        self.arrivals.append(Arrival(event["id"], event["payload"]["text"], request.body, request.path))
        self._news.set()
        self._news = trio.Event()
        await self.hold.passes_by("posted")
        return Response()

    async def has(self, texts: list[str]) -> None:
        """Return once all of them have come."""
        while not self.texts().issuperset(texts):
            await self._news.wait()

    async def next_arrival(self) -> Arrival:
        """The next message to come."""
        await self._news.wait()
        return self.arrivals[-1]

    def texts(self) -> set[str]:
        """The texts of all messages so far."""
        return {arrival.text for arrival in self.arrivals}


@frozen
class Account:
    """The arrivals in the light of their ids: `messages` maps an id to its first arrival, in order of arrival."""

    messages: dict[str, Arrival]
    redeliveries: list[Arrival]

    def of(self, name: str) -> list[str]:
        """The texts of a job's messages, each message once, in order of arrival."""
        return [arrival.text for arrival in self.messages.values() if arrival.text.partition(" ")[0] == name]


def account(arrivals: list[Arrival]) -> Account:
    """Tell messages from redeliveries; fails if an id came with different contents."""
    messages: dict[str, Arrival] = {}
    redeliveries = []
    for arrival in arrivals:
        if arrival.id in messages:
            assert arrival.body == messages[arrival.id].body
            redeliveries.append(arrival)
        else:
            messages[arrival.id] = arrival
    return Account(messages, redeliveries)


@asynccontextmanager
async def world(source: Source, receiver: Receiver) -> AsyncIterator[Server]:
    """A server with both, on loopback."""
    routes: dict[str, Handler] = {
        "/numbers": source.numbers,
        "/orders": source.orders,
        "/inbox": receiver.take,
    }
    async with http_server(routes) as server:
        yield server
