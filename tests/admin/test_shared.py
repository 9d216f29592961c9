"""An answer for many."""

import trio
from trio.testing import MockClock

from nexo_poller.admin.shared import Shared


async def test_whoever_asks_while_an_answer_is_made_shares_the_next_one(autojump_clock: MockClock) -> None:
    shared, begun = Shared(), list[float]()

    async def make() -> bytes:
        begun.append(trio.current_time())
        await trio.sleep(1)
        return str(len(begun)).encode()

    answers = list[tuple[float, bytes]]()

    async def ask() -> None:
        asked = trio.current_time()
        answers.append((asked, await shared.get(make)))

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(ask)
            await trio.sleep(0.25)
    starts = [start - begun[0] for start in begun]
    assert starts == [0, 5, 10], "a pause of four times as long as the making took"
    assert all(begun[int(answer) - 1] >= asked for asked, answer in answers)
    assert len(answers) == 40
