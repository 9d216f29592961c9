"""`harness.tick` and `harness.ticks`."""

import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, frozen
from orders import CONFIG, Orders

from nexo_poller import (
    ConfigError,
    CredentialsMissing,
    Every,
    LlmInvokeRequest,
    OutboundDelivery,
    PermanentError,
    PollContext,
    Poller,
    TickAck,
    TransientError,
)
from nexo_poller.testing import (
    Harness,
    HttpServer,
    NoRoute,
    answer,
    assert_poller_contract,
    in_turn,
    late,
    rate_limited,
)
from nexo_poller.testing.clock import LONGEST_HOLD, waiting_for_threads

SLIPS: Any = ("tomorrow", datetime(2026, 1, 1))  # noqa: DTZ001 - moments that are none


@frozen
class NoConfig:
    pass


@define(eq=False)
class Script(Poller[NoConfig]):
    """A poller whose tick is the given function."""

    kind = "script"
    config_type = NoConfig

    act: Callable[[PollContext[NoConfig]], Awaitable[TickAck]]

    async def tick(self, ctx: PollContext[NoConfig]) -> TickAck:
        return await self.act(ctx)


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


async def test_what_one_tick_was_asked_to_wait_for_holds_no_other_test_of_it_back(poller_harness: Harness) -> None:
    poller_harness.http["/orders"] = in_turn(rate_limited(timedelta(hours=1)), answer(json=[1]))
    assert isinstance((await poller_harness.tick(Orders(), config=CONFIG)).error, TransientError)
    assert (await poller_harness.ticks(1))[0].texts == ["order 1"]
    assert (await poller_harness.tick(Orders(), config=CONFIG)).texts == ["order 1"]


async def test_ticks_are_five_minutes_apart(poller_harness: Harness) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await trio.sleep(10)
        return TickAck(next_cursor=ctx.now.isoformat().encode())

    first = await poller_harness.tick(Script(act))
    then = await poller_harness.ticks(2)
    apart = timedelta(minutes=5, seconds=10)
    assert [result.at - first.at for result in then] == [apart, 2 * apart]
    assert then[1].next_cursor == then[1].at.isoformat().encode()
    assert first.at == datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_tick_has_the_accounts_and_the_model_that_the_test_gave_it(poller_harness: Harness) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        account = await ctx.host.credentials_get("jira")
        request = LlmInvokeRequest(
            messages=[{"role": "user", "content": f"{account['account_id']} for {ctx.agent_id}"}]
        )
        said = await ctx.host.llm_invoke(request)
        return TickAck(deliver=[OutboundDelivery(channel="telegram", recipient="42", payload=said.content)])

    poller_harness.credentials["jira"] = {"account_id": "ana@example.com"}
    poller_harness.llm.reply("quiet")
    poller_harness.llm.fail(TransientError("busy"))
    first = await poller_harness.tick(Script(act), agent="bob")
    assert first.texts == ["quiet"]
    assert poller_harness.llm.requests[0].messages[0]["content"] == "ana@example.com for bob"
    failing, unforeseen = await poller_harness.ticks(2)
    assert str(failing.error) == "busy"
    assert "the model was asked 3 times, and the test has 2 replies" in str(unforeseen.error)


async def test_an_account_that_the_test_did_not_give_is_missing_and_one_without_an_id_is_refused(
    poller_harness: Harness,
) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await ctx.host.credentials_get("jira")
        return TickAck()

    assert isinstance((await poller_harness.tick(Script(act))).error, CredentialsMissing)
    with pytest.raises(ValueError, match="an account on 'jira' has an 'account_id'"):
        poller_harness.credentials["jira"] = {"user": "ana"}


async def test_what_is_published_is_kept_as_it_was_and_only_of_a_tick_that_went_well(poller_harness: Harness) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await ctx.host.broker_publish("orders.new", json.dumps({"n": 1}).encode())
        if ctx.cursor:
            raise RuntimeError("too late")
        return TickAck(next_cursor=b"1")

    first = await poller_harness.tick(Script(act))
    assert first.published == (("orders.new", b'{"n": 1}'),)
    (failed,) = await poller_harness.ticks(1)
    assert failed.published == ()
    assert failed.error is not None
    assert isinstance(failed.error.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"payload": {1, 2}}, "is no JSON value"),
        ({"channel": "tele gram"}, "the channel 'tele gram'"),
    ],
)
async def test_a_message_that_no_runner_could_send_is_an_error_of_the_tick(
    poller_harness: Harness, wrong: Mapping[str, Any], told: str
) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(
            deliver=[OutboundDelivery(**{"channel": "telegram", "recipient": "42", "payload": "hi", **wrong})]
        )

    result = await poller_harness.tick(Script(act))
    assert isinstance(result.error, PermanentError)
    assert told in str(result.error)


async def test_a_tick_is_cut_short_at_the_time_limit_of_a_runner(poller_harness: Harness) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await trio.sleep_forever()
        raise AssertionError

    result = await poller_harness.tick(Script(act))
    assert str(result.error) == "timed out after 300 s"
    assert result.duration == timedelta(seconds=300)


async def test_a_thread_of_a_tick_takes_no_virtual_time(poller_harness: Harness) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await trio.to_thread.run_sync(threading.Event().wait, 0.01)
        return TickAck()

    result = await poller_harness.tick(Script(act))
    assert result.error is None
    assert result.duration == timedelta()
    assert await poller_harness.ticks(2)  # and time goes on


async def test_a_thread_that_never_ends_meets_the_time_limit_of_its_tick(
    poller_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await trio.to_thread.run_sync(end.wait, 10, abandon_on_cancel=True)
        raise AssertionError

    monkeypatch.setattr("nexo_poller.testing.clock.LONGEST_HOLD", 0.01)
    end = threading.Event()
    assert str((await poller_harness.tick(Script(act))).error) == "timed out after 300 s"
    end.set()


async def test_a_clock_that_was_held_for_threads_jumps_again_as_its_test_has_set_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    first, second = threading.Event(), threading.Event()
    async with trio.open_nursery() as beyond:
        with waiting_for_threads(), waiting_for_threads():
            autojump_clock.autojump_threshold = 0.001
            async with trio.open_nursery() as within:
                within.start_soon(partial(trio.to_thread.run_sync, first.wait, 10))
                await trio.testing.wait_all_tasks_blocked()
                assert autojump_clock.autojump_threshold == LONGEST_HOLD
                first.set()
            assert autojump_clock.autojump_threshold == 0.001
            beyond.start_soon(partial(trio.to_thread.run_sync, second.wait, 10))
            await trio.testing.wait_all_tasks_blocked()
        assert autojump_clock.autojump_threshold == 0.001
        second.set()


async def test_a_dry_run_says_so_to_the_tick(poller_harness: Harness) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await trio.lowlevel.checkpoint()
        return TickAck(next_cursor=b"dry" if ctx.is_dry_run else b"wet")

    assert (await poller_harness.tick(Script(act))).next_cursor == b"wet"
    assert (await poller_harness.dry_run(Script(act))).next_cursor == b"dry"


async def test_ticks_carry_on_only_after_a_tick(poller_harness: Harness) -> None:
    with pytest.raises(RuntimeError, match="carries on after a tick"):
        await poller_harness.ticks(1)


async def test_beside_a_real_server_ticks_go_over_the_network_in_real_time(
    poller_harness: Harness, poller_http_server: HttpServer
) -> None:
    poller_harness.http["/orders"] = answer(json=[1])
    result = await poller_harness.tick(Orders(), config={**CONFIG, "url": poller_http_server.url("/orders?new")})
    assert result.texts == ["order 1"]
    (request,) = poller_http_server.requests
    assert (request.url.path, request.url.query) == ("/orders", b"new")
    assert result.at > datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(NoRoute):
        await poller_harness.tick(Orders(), config={**CONFIG, "url": poller_http_server.url("/nothing")})
    with pytest.raises(RuntimeError, match="leave poller_http_server out"):
        await poller_harness.run(Orders(), config=CONFIG, schedule=Every(timedelta(hours=1)), for_=timedelta(days=1))


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "tick() must return a TickAck, not NoneType"),
        (TickAck(next_cursor="1"), "next_cursor must be bytes or None, not str"),  # type: ignore[arg-type]
        (TickAck(next_interval_hint=5), "next_interval_hint must be a timedelta, not int"),  # type: ignore[arg-type]
        (TickAck(deliver=[{"channel": "telegram"}]), "deliver must be a list or tuple of OutboundDelivery"),  # type: ignore[list-item]
        *(
            (
                TickAck(deliver=[OutboundDelivery(channel="telegram", recipient="42", payload="", not_before=moment)]),
                "not_before must be an aware datetime (give it a tzinfo, such as datetime.UTC)",
            )
            for moment in SLIPS
        ),
    ],
)
async def test_what_a_tick_must_not_return_is_said_in_a_permanent_error(
    returned: Any, said: str, poller_harness: Harness
) -> None:
    async def act(_: PollContext[NoConfig]) -> Any:
        return returned

    result = await poller_harness.tick(Script(act))
    assert isinstance(result.error, PermanentError)
    assert str(result.error) == said


async def test_a_level_that_no_log_has_is_named_with_those_there_are(poller_harness: Harness) -> None:
    async def act(ctx: PollContext[NoConfig]) -> TickAck:
        await ctx.host.log("warn", "careful")  # type: ignore[arg-type]
        return TickAck()

    result = await poller_harness.tick(Script(act))
    assert "there is no level 'warn' to log at (there are debug, info, warning, error)" in str(result.error)


async def test_a_class_instead_of_a_poller_and_a_number_instead_of_a_time_are_refused(poller_harness: Harness) -> None:
    with pytest.raises(TypeError, match=r"^Orders is a class; give an instance of it: Orders\(\)$"):
        await poller_harness.tick(Orders, config=CONFIG)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=r"It is a class\.\n *Give an instance of it: Orders\(\)\."):
        await assert_poller_contract(Orders, good=CONFIG, harness=poller_harness)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^for_ must be timedelta, not int; write timedelta\(days=7\)$"):
        await poller_harness.run(Orders(), config=CONFIG, schedule=Every(timedelta(hours=1)), for_=7)  # type: ignore[arg-type]
