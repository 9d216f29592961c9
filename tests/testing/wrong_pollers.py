"""Pollers that are wrong on purpose, each in one way."""

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define, evolve, field, frozen
from right_pollers import Orders, OrdersConfig, message

from nexo_poller import Deliver, OutboundDelivery, PermanentError, PollContext, Poller, TickAck, TransientError

Ctx = PollContext[OrdersConfig]


class SwallowsCancelled(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        try:
            return await super().tick(ctx)
        except BaseException:  # noqa: BLE001 - as seen in the wild
            return TickAck()


class GoesOnWhenCancelled(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        while True:
            try:
                return await super().tick(ctx)
            except trio.Cancelled:  # on purpose
                continue


class CannotBeCancelled(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        with trio.CancelScope(shield=True):
            numbers = await self.listed(ctx)
        return self.ack(numbers, ctx)


class TidiesUpForAMinute(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        try:
            return await super().tick(ctx)
        finally:
            with trio.move_on_after(600, shield=True):
                await trio.sleep(60)


class TriesForEver(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        while True:
            with suppress(TransientError):
                return await super().tick(ctx)


class BurnsTheProcessor(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        began = time.thread_time()
        while time.thread_time() - began < 1.1:
            pass
        return await super().tick(ctx)


class Sleeps(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        time.sleep(0.001)  # noqa: ASYNC251 - on purpose
        return await super().tick(ctx)


class SleepsOnNoNews(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        if ctx.cursor:
            time.sleep(0.001)  # noqa: ASYNC251 - on purpose
        return await super().tick(ctx)


class RunsPrograms(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.run)
        return await super().tick(ctx)

    async def run(self) -> None:
        subprocess.run(["true"], check=True)  # noqa: ASYNC221 - on purpose


class StartsAThread(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        threading.Thread(target=int).start()
        return await super().tick(ctx)


class KeepsThreads(Orders):
    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)

    async def tick(self, ctx: Ctx) -> TickAck:
        self.pool.submit(int).result()
        return await super().tick(ctx)


class LeavesATask(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        trio.lowlevel.spawn_system_task(trio.sleep_forever)
        return await super().tick(ctx)


class SendsItself(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        ack = await super().tick(ctx)
        for delivery in ack.deliver:
            await ctx.http.post("https://gateway.example/send", json=delivery.payload)
        return TickAck(next_cursor=ack.next_cursor)


class PingsOnNoNews(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        if ctx.cursor:
            await ctx.http.post("https://gateway.example/send")
        return await super().tick(ctx)


class HasItsOwnClient(Orders):
    async def listed(self, ctx: Ctx) -> list[int]:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=[1, 2, 3]))
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get(ctx.config.url)
        return await super().listed(ctx)


@define(eq=False)
class RemembersOnSelf(Orders):
    seen: set[int] = field(factory=set)

    async def tick(self, ctx: Ctx) -> TickAck:
        new = [number for number in await self.listed(ctx) if number not in self.seen]
        self.seen.update(new)
        return TickAck(deliver=[message(number, ctx) for number in new])


@define(eq=False)
class RemembersInAFile(Orders):
    path: Path

    async def tick(self, ctx: Ctx) -> TickAck:
        last = int(await trio.Path(self.path).read_text()) if self.path.exists() else 0
        new = [number for number in await self.listed(ctx) if number > last]
        await trio.Path(self.path).write_text(str(max([last, *new])))
        return TickAck(deliver=[message(number, ctx) for number in new])


class RemembersEverything(Orders):
    def ack(self, numbers: list[int], ctx: Ctx) -> TickAck:
        seen = set(json.loads(ctx.cursor or b"[]"))
        new = [number for number in numbers if number not in seen]
        return TickAck(next_cursor=json.dumps([*seen, *new]).encode(), deliver=[message(number, ctx) for number in new])


class CannotReadItsCursor(Orders):
    def ack(self, numbers: list[int], ctx: Ctx) -> TickAck:
        seen = set(json.loads(ctx.cursor or b"[]"))
        new = [number for number in numbers if number not in seen]
        return TickAck(next_cursor=str(seen | {*new}).encode(), deliver=[message(number, ctx) for number in new])


class ForgetsItsCursor(Orders):
    def ack(self, numbers: list[int], ctx: Ctx) -> TickAck:
        last = int(ctx.cursor or b"0") if (ctx.cursor or b"0").isdigit() else 0
        new = [number for number in numbers if number > last]
        return TickAck(next_cursor=repr(max(numbers) / 2).encode(), deliver=[message(number, ctx) for number in new])


class ForgetsItsCursorLater(Orders):
    """What reads the cursor well writes it badly."""

    def ack(self, numbers: list[int], ctx: Ctx) -> TickAck:
        last = json.loads(ctx.cursor or b"{}").get("last", 0)
        new = [number for number in numbers if number > last]
        left = {"last": max(new)} if new else {}
        return TickAck(next_cursor=json.dumps(left).encode(), deliver=[message(number, ctx) for number in new])


class PublishesAgain(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        for number in await self.listed(ctx):
            await ctx.host.broker_publish("orders.new", str(number).encode())
        return TickAck(next_cursor=b"new")


class CannotCheckItsCursor(Orders):
    def validate_cursor(self, cursor: bytes) -> None:
        json.loads(cursor)["last"]


class SendsTheTimeOfDay(Orders):
    def ack(self, numbers: list[int], ctx: Ctx) -> TickAck:
        ack = super().ack(numbers, ctx)
        return evolve(ack, deliver=[evolve(one, payload=time.perf_counter()) for one in ack.deliver])


class AskedByPost(Orders):
    """Which is right, if that changes nothing there."""

    async def listed(self, ctx: Ctx) -> list[int]:
        return list((await ctx.http.post(ctx.config.url)).raise_for_status().json())


class TakesAnything(Poller[dict[str, Any]]):
    kind = "anything"
    description = "New orders of a shop."
    config_type = dict[str, Any]

    async def tick(self, ctx: PollContext[dict[str, Any]]) -> TickAck:
        await ctx.http.get(ctx.config["url"])
        return TickAck()


@frozen
class Templated:
    template: str
    deliver: Deliver


class FormatsTemplates(Poller[Templated]):
    kind = "formats"
    description = "The newest version."
    config_type = Templated

    async def tick(self, ctx: PollContext[Templated]) -> TickAck:
        await trio.lowlevel.checkpoint()
        to, text = ctx.config.deliver, ctx.config.template.format(version="1.0")
        return TickAck(deliver=[OutboundDelivery(channel=to.channel, recipient=to.to, payload=text)])


class GivesUpOn503(Orders):
    async def listed(self, ctx: Ctx) -> list[int]:
        answered = await ctx.http.get(ctx.config.url)
        if not answered.is_success:
            raise PermanentError(f"the shop answered {answered.status_code}")
        return list(answered.json())


class TakesTroubleForNews(Orders):
    async def listed(self, ctx: Ctx) -> list[int]:
        answered = await ctx.http.get(ctx.config.url)
        return list(answered.json()) if answered.is_success else []

    def ack(self, numbers: list[int], ctx: Ctx) -> TickAck:
        return evolve(super().ack(numbers, ctx), next_cursor=str(max(numbers, default=0)).encode())


class GivesUpOnSilence(Orders):
    async def listed(self, ctx: Ctx) -> list[int]:
        try:
            return await super().listed(ctx)
        except httpx.TimeoutException as error:
            raise PermanentError("no answer") from error


class HasABug(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        await super().listed(ctx)
        return json.loads("{}")["ack"]  # type: ignore[no-any-return] # on purpose


class ForcesItsConfig(Orders):
    async def tick(self, ctx: Ctx) -> TickAck:
        object.__setattr__(ctx.config, "url", "https://elsewhere.example/")
        return await super().tick(ctx)


@define
class ManyUrls:
    urls: list[str]
    deliver: Deliver


class ChangesItsConfig(Poller[ManyUrls]):
    kind = "many_urls"
    description = "New orders of many shops."
    config_type = ManyUrls

    async def tick(self, ctx: PollContext[ManyUrls]) -> TickAck:
        while ctx.config.urls:
            await ctx.http.get(ctx.config.urls.pop())
        return TickAck()
