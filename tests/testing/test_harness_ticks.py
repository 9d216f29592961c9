"""`harness.tick` and `harness.ticks`."""

from datetime import timedelta

import pytest
from attrs import frozen

from nexo_poller import (
    ConfigError,
    Deliver,
    OutboundDelivery,
    PollContext,
    Poller,
    TickAck,
    TransientError,
)
from nexo_poller.testing import Harness, NoRoute, answer, in_turn, late, rate_limited

CONFIG = {"url": "https://shop.example/orders", "deliver": {"channel": "telegram", "to": "42"}}


@frozen
class OrdersConfig:
    url: str
    deliver: Deliver


class Orders(Poller[OrdersConfig]):
    kind = "orders"
    description = "New orders of a shop."
    config_type = OrdersConfig

    async def tick(self, ctx: PollContext[OrdersConfig]) -> TickAck:
        answered = await ctx.http.get(ctx.config.url)
        if answered.status_code == 429:
            raise TransientError("too fast", retry_after=timedelta(seconds=int(answered.headers["Retry-After"])))
        numbers = [number for number in answered.json() if number > int(ctx.cursor or b"0")]
        await ctx.host.log("info", "looked", {"new": len(numbers)})
        await ctx.host.metric_inc("looks", {"shop": "example"})
        to = ctx.config.deliver
        return TickAck(
            next_cursor=str(max(numbers)).encode() if numbers else None,
            deliver=[OutboundDelivery(channel=to.channel, recipient=to.to, payload=f"order {n}") for n in numbers],
        )


async def test_a_tick_tells_all_that_the_poller_did(poller_harness: Harness) -> None:
    poller_harness.http["https://shop.example/orders"] = answer(json=[1, 2])
    result = await poller_harness.tick(Orders(), config=CONFIG, cursor=b"1")
    assert result.error is None
    assert result.texts == ["order 2"]
    assert result.next_cursor == b"2"
    assert [(logged.level, logged.message, logged.fields) for logged in result.logs] == [("info", "looked", {"new": 1})]
    assert result.metrics == {'looks{shop="example"}': 1}


async def test_the_following_ticks_carry_the_cursor_on(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = in_turn(answer(json=[1]), answer(json=[1, 2]), answer(json=[1, 2, 3]))
    await poller_harness.tick(Orders(), config=CONFIG)
    assert [result.texts for result in await poller_harness.ticks(3)] == [["order 2"], ["order 3"], []]


async def test_a_config_that_a_runner_would_refuse_is_refused(poller_harness: Harness) -> None:
    with pytest.raises(ConfigError, match="unknown key 'urll'"):
        await poller_harness.tick(Orders(), config={**CONFIG, "urll": "x"})


async def test_a_failed_tick_says_why_and_sends_nothing(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = rate_limited(timedelta(minutes=2))
    result = await poller_harness.tick(Orders(), config=CONFIG, cursor=b"7")
    assert isinstance(result.error, TransientError)
    assert result.error.retry_after == timedelta(minutes=2)
    assert (result.deliveries, result.next_cursor) == ((), b"7")


async def test_a_slow_server_costs_virtual_time_only_and_meets_the_limits_of_a_job(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = late(timedelta(minutes=1), answer(json=[]))
    result = await poller_harness.tick(Orders(), config=CONFIG)
    assert "30 s" in str(result.error)
    assert result.duration == timedelta(seconds=30)


async def test_an_address_nobody_spoke_of_fails_the_test(poller_harness: Harness) -> None:
    poller_harness.http["/ordes"] = answer(json=[])
    with pytest.raises(NoRoute, match=r"GET https://shop\.example/orders has no route; the routes are: '/ordes'"):
        await poller_harness.tick(Orders(), config=CONFIG)
