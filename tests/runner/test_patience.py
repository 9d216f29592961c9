"""Asking again, and when not to."""

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from nexo_poller.errors import StoreError, StoreRefused
from nexo_poller.runner.patience import answered, finished_shielded


async def test_a_store_that_fails_is_asked_again_with_growing_pauses(autojump_clock: MockClock) -> None:
    asked: list[float] = []

    async def ask() -> str:
        asked.append(trio.current_time())
        if len(asked) < 8:
            raise StoreError("busy")
        return "yes"

    assert await answered(ask) == "yes"
    assert [round(b - a) for a, b in pairwise(asked)] == [1, 2, 4, 8, 16, 30, 30]


async def test_a_store_that_refuses_is_not_asked_again(autojump_clock: MockClock) -> None:
    async def ask() -> None:
        raise StoreRefused("damaged")

    with pytest.raises(StoreRefused, match="damaged"):
        await answered(ask)


async def test_a_write_is_finished_though_it_is_cancelled_but_not_for_ever(autojump_clock: MockClock) -> None:
    tries: list[float] = []

    async def write() -> None:
        tries.append(trio.current_time())
        raise StoreError("busy")

    start = trio.current_time()
    with trio.CancelScope() as scope:
        scope.cancel()
        await finished_shielded(write)
    assert scope.cancelled_caught
    assert len(tries) > 1
    assert trio.current_time() - start == pytest.approx(5)
