"""Pollers as they should be: one from which the wrong ones differ in one thing, and some that look wrong."""

import json
from datetime import timedelta

import httpx
from attrs import evolve, frozen

from nexo_poller import (
    Deliver,
    LlmInvokeRequest,
    OutboundDelivery,
    PollContext,
    Poller,
    TickAck,
    TransientError,
)
from nexo_poller.template import render

URL = "https://shop.example/orders"
CONFIG = {"url": URL, "deliver": {"channel": "telegram", "to": "42"}}


@frozen
class OrdersConfig:
    url: str
    deliver: Deliver


class Orders(Poller[OrdersConfig]):
    """Sends the numbers beyond its cursor, which is the highest that it sent."""

    kind = "orders"
    description = "New orders of a shop."
    config_type = OrdersConfig

    async def tick(self, ctx: PollContext[OrdersConfig]) -> TickAck:
        return self.ack(await self.listed(ctx), ctx)

    async def listed(self, ctx: PollContext[OrdersConfig]) -> list[int]:
        answered = await ctx.http.get(ctx.config.url)
        if not answered.is_success:
            raise TransientError(f"the shop answered {answered.status_code}")
        numbers: list[int] = answered.json()
        return numbers

    def ack(self, numbers: list[int], ctx: PollContext[OrdersConfig]) -> TickAck:
        new = [number for number in numbers if number > int(ctx.cursor or b"0")]
        return TickAck(
            next_cursor=str(max(new)).encode() if new else None, deliver=[message(number, ctx) for number in new]
        )


def message(number: int, ctx: PollContext[OrdersConfig]) -> OutboundDelivery:
    to = ctx.config.deliver
    return OutboundDelivery(channel=to.channel, recipient=to.to, payload=f"order {number}")


Ctx = PollContext[OrdersConfig]


def told(text: str, ctx: Ctx, cursor: bytes | None) -> TickAck:
    to = ctx.config.deliver
    return TickAck(
        next_cursor=cursor,
        deliver=[OutboundDelivery(channel=to.channel, recipient=to.to, payload=text)] if text else [],
    )


class Monitor(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        try:
            state = b"up" if (await ctx.http.get(ctx.config.url)).is_success else b"down"
        except httpx.TransportError:
            state = b"down"
        return told(f"it is {state.decode()}" if state != ctx.cursor else "", ctx, state)


class TellsOfTheThirdFailure(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        last, failures = json.loads(ctx.cursor or b"[0, 0]")
        try:
            numbers = await self.listed(ctx)
        except (TransientError, httpx.TransportError):
            return told("no answer" if failures == 2 else "", ctx, json.dumps([last, failures + 1]).encode())
        ack = self.ack(numbers, evolve(ctx, cursor=str(last).encode()))
        return evolve(ack, next_cursor=json.dumps([max([last, *numbers]), 0]).encode())


class TakesTurns(Orders):
    """Of two servers, one that fails has its next turn as always."""

    async def tick(self, ctx: Ctx) -> TickAck:
        lasts = json.loads(ctx.cursor or b"[0, 0]")
        url = ctx.config.url if len(lasts) == 2 else "https://shop.example/other"
        last, other, *_ = lasts
        try:
            numbers = (await ctx.http.get(url)).raise_for_status().json()
        except httpx.HTTPError:
            numbers = []
        after = [other, max([last, *numbers])]
        return TickAck(
            next_cursor=json.dumps([*after, "other"] if len(lasts) == 2 else after).encode(),
            deliver=[message(number, ctx) for number in numbers if number > last],
        )


class Reminds(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        return told("drink water", ctx, str(int(ctx.cursor or b"0") + 1).encode())


class Reports(Orders):
    """The same at every tick, with what the server need not send again in the cursor."""

    async def tick(self, ctx: Ctx) -> TickAck:
        etag, body = json.loads(ctx.cursor or b'["", ""]')
        answered = await ctx.http.get(ctx.config.url, headers={"If-None-Match": etag})
        if answered.status_code != 304:
            etag, body = answered.raise_for_status().headers["ETag"], answered.text
        return told(f"all orders: {body}", ctx, json.dumps([etag, body]).encode())


class Summarises(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        ack = await super().tick(ctx)
        if not ack.deliver:
            return ack
        asked = LlmInvokeRequest(messages=[{"role": "user", "content": f"sum up {len(ack.deliver)} orders"}])
        return told((await ctx.host.llm_invoke(asked)).content, ctx, ack.next_cursor)


class FillsInItsUrl(Orders):
    async def listed(self, ctx: Ctx) -> list[int]:
        url = render(ctx.config.url, {"what": "orders"})
        return list((await ctx.http.get(url)).raise_for_status().json())


class PutsOff(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        ack, later = await super().tick(ctx), timedelta(days=10_000)
        return evolve(
            ack, next_interval_hint=later, deliver=[evolve(one, not_before=ctx.now + later) for one in ack.deliver]
        )
