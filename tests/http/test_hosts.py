"""Places and holds, in virtual time."""

import gc
from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from nexo_poller.errors import HostHeld
from nexo_poller.http.hosts import MOST_HOLDS, Hosts, Place

MINUTE = timedelta(minutes=1)


async def test_the_fifth_request_waits_until_a_place_is_given_back(autojump_clock: MockClock) -> None:
    hosts = Hosts()
    places = [await hosts.enter("a", "job") for _ in range(4)]
    entered: list[Place] = []

    async def fifth() -> None:
        entered.append(await hosts.enter("a", "job"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fifth)
        await wait_all_tasks_blocked()
        assert not entered
        (await hosts.enter("b", "job")).give_back()  # another host has places of its own
        places[0].give_back()
        places[0].give_back()  # twice opens no second place
        await wait_all_tasks_blocked()
        assert len(entered) == 1
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await hosts.enter("a", "job")


async def test_a_host_that_nobody_uses_is_forgotten() -> None:
    hosts = Hosts()
    place = await hosts.enter("a", "job")
    assert list(hosts._places) == ["a"]
    place.give_back()
    assert not hosts._places


async def test_cancelled_waiting_takes_no_place_and_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    hosts = Hosts()

    async def wait_in_vain() -> None:
        with trio.move_on_after(1):
            await hosts.enter("a", "job")
            raise AssertionError("there was no place")

    places = [await hosts.enter("a", "job") for _ in range(4)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_in_vain)
    for place in places:
        place.give_back()
    gc.collect()  # the frames of what was cancelled hang in a cycle for a while
    assert not hosts._places
    for _ in range(4):
        await hosts.enter("a", "job")


async def test_cancelled_before_it_begins_it_leaves_nothing_behind() -> None:
    hosts = Hosts()

    async def too_late() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await hosts.enter("a", "job")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(too_late)
    gc.collect()
    assert not hosts._places


async def test_a_hold_keeps_all_others_away_until_it_is_over(autojump_clock: MockClock) -> None:
    hosts = Hosts()
    hosts.hold("a", MINUTE, asked_of="job")
    await trio.sleep(20)
    with pytest.raises(HostHeld) as caught:
        await hosts.enter("a", "other")
    assert (caught.value.host, caught.value.wait) == ("a", timedelta(seconds=40))
    await hosts.enter("a", "job")
    await hosts.enter("b", "other")
    await trio.sleep(40)
    await hosts.enter("a", "other")


async def test_a_hold_lasts_an_hour_at_most(autojump_clock: MockClock) -> None:
    hosts = Hosts()
    hosts.hold("a", timedelta(hours=24), asked_of="job")
    await trio.sleep(3599)
    with pytest.raises(HostHeld):
        await hosts.enter("a", "other")
    await trio.sleep(1)
    await hosts.enter("a", "other")


async def test_a_hold_turns_away_those_who_wait_already(autojump_clock: MockClock) -> None:
    hosts = Hosts()
    places = [await hosts.enter("a", "job") for _ in range(4)]
    turned_away = 0

    async def late() -> None:
        nonlocal turned_away
        with pytest.raises(HostHeld):
            await hosts.enter("a", "other")
        turned_away += 1

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(late)
        await wait_all_tasks_blocked()
        hosts.hold("a", MINUTE, asked_of="job")
        places[0].give_back()  # the place goes from hand to hand
    assert turned_away == 3
    places[0] = await hosts.enter("a", "job")


async def test_holds_are_dropped_when_over_and_limited_in_number(autojump_clock: MockClock) -> None:
    hosts = Hosts()
    hosts.hold("short", timedelta(seconds=1), asked_of="job")
    await trio.sleep(2)
    hosts.hold("long", MINUTE, asked_of="job")
    assert list(hosts._holds) == ["long"]
    hosts._holds = {str(n): hosts._holds["long"] for n in range(MOST_HOLDS)}
    hosts.hold("one more", MINUTE, asked_of="job")
    assert len(hosts._holds) == MOST_HOLDS
