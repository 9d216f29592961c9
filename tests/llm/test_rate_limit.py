"""Turns in virtual time."""

import trio

from nexo_poller.llm.rate_limit import RateLimit


async def test_turns_keep_their_distance_and_their_order(autojump_clock: trio.testing.MockClock) -> None:
    limit, began, turns = RateLimit(2.0), trio.current_time(), list[tuple[int, float]]()

    async def take(n: int) -> None:
        await limit.turn()
        turns.append((n, trio.current_time() - began))

    async with trio.open_nursery() as nursery:
        for n in range(4):
            nursery.start_soon(take, n)
            await trio.testing.wait_all_tasks_blocked()
    assert turns == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]


async def test_a_turn_after_a_rest_comes_at_once_and_rest_is_not_saved_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limit = RateLimit(2.0)
    await limit.turn()
    await trio.sleep(60)
    began = trio.current_time()
    await limit.turn()
    assert trio.current_time() == began
    await limit.turn()
    assert trio.current_time() == began + 0.5


async def test_who_is_cancelled_in_the_queue_takes_no_turn(autojump_clock: trio.testing.MockClock) -> None:
    limit, began = RateLimit(1.0), trio.current_time()
    await limit.turn()
    for _ in range(3):
        with trio.move_on_after(0.25) as scope:
            await limit.turn()
        assert scope.cancelled_caught
    await limit.turn()
    assert trio.current_time() - began == 1.0
