"""How the kind `version` is tested: in virtual time, on a server that is made up."""

from datetime import timedelta

from my_poller import VersionPoller

from nexo_poller import TransientError
from nexo_poller.testing import Harness, answer, in_turn, late

CONFIG = {"url": "https://releases.example/latest", "deliver": {"channel": "inbox", "to": "you"}}


def version(number: str) -> dict[str, str]:
    return {"version": number}


async def test_a_version_is_told_of_once(poller_harness: Harness) -> None:
    poller_harness.http["/latest"] = in_turn(
        answer(json=version("1.0")), answer(json=version("1.0")), answer(json=version("1.1"))
    )
    first = await poller_harness.tick(VersionPoller(), config=CONFIG)
    then = await poller_harness.ticks(2)
    assert [tick.texts for tick in (first, *then)] == [["version 1.0 is out"], [], ["version 1.1 is out"]]


async def test_a_server_that_fails_is_asked_again_and_nothing_is_forgotten(poller_harness: Harness) -> None:
    poller_harness.http["/latest"] = answer(503)
    tick = await poller_harness.tick(VersionPoller(), config=CONFIG, cursor=b"1.0")
    assert isinstance(tick.error, TransientError)
    assert (tick.texts, tick.next_cursor) == ([], b"1.0")


async def test_a_slow_server_costs_this_test_no_time(poller_harness: Harness) -> None:
    poller_harness.http["/latest"] = late(timedelta(seconds=20), answer(json=version("1.0")))
    tick = await poller_harness.tick(VersionPoller(), config=CONFIG)
    assert tick.error is None
    assert tick.duration == timedelta(seconds=20)
