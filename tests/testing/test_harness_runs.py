"""`harness.run` and the timeline that it gives."""

import random
from datetime import UTC, datetime, timedelta

import pytest
import trio
from attrs import frozen
from orders import CONFIG, Orders

from nexo_poller import (
    ConfigError,
    Cron,
    Every,
    OutboundDelivery,
    PermanentError,
    PollContext,
    Poller,
    TickAck,
    parse_schedule,
)
from nexo_poller.testing import Harness, answer, broken, in_turn, late

START = datetime(2026, 1, 1, tzinfo=UTC)
FIVE_MINUTES = Every(timedelta(minutes=5))
HOUR = timedelta(hours=1)


@frozen
class NoConfig:
    pass


async def test_a_week_is_told_in_a_few_lines(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = in_turn(answer(json=[1]), answer(json=[1]), broken(), answer(json=[1, 2]))
    timeline = await poller_harness.run(Orders(), config=CONFIG, schedule=Every(HOUR), for_=timedelta(days=7))
    assert timeline.lines == [
        "orders, 7 d 00 h from 2026-01-01 00:00:00: 169 ticks, 1 error, 1 tried again, 2 messages sent",
        "01-01 00:00:00  tick   ok         1 message",
        "01-01 00:00:00  sent   plugin.outbound.telegram  order 1",
        "01-01 01:00:00  tick   ok         0 messages",
        "01-01 02:00:00  tick   transient  RemoteProtocolError: Server disconnected without sending a …",
        "01-01 02:00:21  retry  ok         1 message",
        "01-01 02:00:21  sent   plugin.outbound.telegram  order 2",
        "01-01 03:00:00  tick   ok         0 messages  (165 times, until 01-07 23:00:00)",
        "01-08 00:00:00  end, cursor 2",
    ]


async def test_a_timeline_has_every_tick_error_retry_and_delivery_with_its_time(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = in_turn(broken(), answer(json=[1]))
    timeline = await poller_harness.run(Orders(), config=CONFIG, schedule=Cron("0 30 * * * *"), for_=2 * HOUR)
    half_past = START + timedelta(minutes=30)
    assert [tick.slot for tick in timeline.ticks] == [half_past, half_past, half_past + HOUR]
    (error,) = timeline.errors
    (retry,) = timeline.retries
    assert (error.started_at, error.status) == (half_past, "transient")
    assert half_past + timedelta(seconds=15) <= retry.started_at <= half_past + timedelta(seconds=30)
    trifle = timeline.deliveries[0].at - retry.started_at
    assert timedelta() <= trifle < timedelta(milliseconds=1)
    assert [(sent.at, sent.topic, sent.payload) for sent in timeline.deliveries] == [
        (retry.started_at + trifle, "plugin.outbound.telegram", {"text": "order 1", "to": "42"})
    ]
    assert (timeline.texts, timeline.cursor, timeline.pause_reason) == (["order 1"], b"1", None)


async def test_two_runs_of_the_same_are_the_same(poller_harness: Harness) -> None:
    timelines = []
    for _ in range(2):
        random.random()
        poller_harness.http["/orders"] = in_turn(*[broken()] * 5, answer(json=[1]))
        timelines.append(await poller_harness.run(Orders(), config=CONFIG, schedule=FIVE_MINUTES, for_=HOUR))
    assert timelines[0] == timelines[1]
    assert len(timelines[0].errors) == 5


async def test_a_run_can_begin_on_any_day_of_the_calendar(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = answer(json=[])
    breakfast = parse_schedule({"cron": "0 30 7 * * *", "tz": "Europe/Berlin"})
    saturday = datetime(2026, 3, 28, tzinfo=UTC)
    timeline = await poller_harness.run(
        Orders(), config=CONFIG, schedule=breakfast, for_=timedelta(days=2), start=saturday
    )
    assert [tick.started_at.hour for tick in timeline.ticks] == [6, 5]  # the clocks go forward in between


async def test_the_slot_at_the_very_end_is_not_in(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = answer(json=[])
    timeline = await poller_harness.run(Orders(), config=CONFIG, schedule=FIVE_MINUTES, for_=HOUR)
    assert [tick.started_at - START for tick in timeline.ticks] == [n * timedelta(minutes=5) for n in range(12)]


async def test_a_tick_that_is_under_way_at_the_end_is_waited_for(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = late(timedelta(seconds=9), answer(json=[1]))
    timeline = await poller_harness.run(Orders(), config=CONFIG, schedule=Every(HOUR), for_=timedelta(seconds=5))
    assert [tick.status for tick in timeline.ticks] == ["ok"]


async def test_a_beginning_without_a_zone_and_no_time_at_all_are_refused(poller_harness: Harness) -> None:
    with pytest.raises(ValueError, match=r"say in which zone, as in datetime\(2026, 1, 1, tzinfo=UTC\)"):
        await poller_harness.run(
            Orders(), config=CONFIG, schedule=FIVE_MINUTES, for_=HOUR, start=START.replace(tzinfo=None)
        )
    for nothing in (timedelta(), -HOUR):
        with pytest.raises(ValueError, match=r"is no time to run: say how long, as in for_=timedelta\(days=7\)"):
            await poller_harness.run(Orders(), config=CONFIG, schedule=FIVE_MINUTES, for_=nothing)


async def test_a_job_that_pauses_itself_ends_paused(poller_harness: Harness) -> None:
    class Refused(Poller[NoConfig]):
        kind = "refused"
        config_type = NoConfig

        async def tick(self, ctx: PollContext[NoConfig]) -> TickAck:
            raise PermanentError("the account is closed")

    timeline = await poller_harness.run(Refused(), schedule=FIVE_MINUTES, for_=HOUR)
    assert len(timeline.ticks) == 1
    assert "end, cursor (none), paused: permanent error: the account is closed" in timeline.lines[-1]


async def test_messages_that_wait_or_are_dead_at_the_end_are_counted(poller_harness: Harness) -> None:
    class Patient(Poller[NoConfig]):
        kind = "patient"
        config_type = NoConfig

        async def tick(self, ctx: PollContext[NoConfig]) -> TickAck:
            await trio.lowlevel.checkpoint()
            later = OutboundDelivery(channel="inbox", recipient="ana", payload="hi", not_before=ctx.now + 2 * HOUR)
            dead = OutboundDelivery(channel="inbox", recipient="ana", payload="hi", dead_because="not wanted")
            return TickAck(deliver=[later, dead])

    timeline = await poller_harness.run(Patient(), schedule=Every(HOUR), for_=HOUR)
    assert (timeline.waiting, timeline.dead_letters, timeline.deliveries) == (1, 1, ())
    assert timeline.lines[-1].endswith("1 message still waiting, 1 dead letter")


async def test_a_config_that_the_runner_rejects_is_refused_with_its_reasons(poller_harness: Harness) -> None:
    with pytest.raises(ConfigError, match="unknown key 'urll'"):
        await poller_harness.run(Orders(), config={**CONFIG, "urll": "x"}, schedule=FIVE_MINUTES, for_=HOUR)
    config = {**CONFIG, "deliver": {"channel": "tele.gram", "to": "42"}}
    with pytest.raises(ConfigError, match="tele"):
        await poller_harness.run(Orders(), config=config, schedule=FIVE_MINUTES, for_=HOUR)


async def test_a_long_timeline_is_told_by_its_beginning_and_its_end(poller_harness: Harness) -> None:
    class Ticking(Poller[NoConfig]):
        kind = "ticking"
        config_type = NoConfig

        async def tick(self, ctx: PollContext[NoConfig]) -> TickAck:
            await trio.lowlevel.checkpoint()
            n = int(ctx.cursor or b"0") + 1
            hello = OutboundDelivery(channel="inbox", recipient="ana", payload=f"number {n}")
            return TickAck(deliver=[hello], next_cursor=str(n).encode())

    timeline = await poller_harness.run(Ticking(), schedule=FIVE_MINUTES, for_=4 * HOUR)
    told = str(timeline).splitlines()
    assert len(timeline.lines) == 2 + 2 * 48
    assert len(told) == 61
    assert told[30] == "… 38 lines more …"
    assert (told[2], told[-2]) == (timeline.lines[2], timeline.lines[-2])
