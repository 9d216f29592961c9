"""The peer at a program that never takes what it is told, in virtual time."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from nexo_poller.errors import MethodNotFound, PluginPollerForwardError
from nexo_poller.plugins.peer import MOST_ANSWERS, UNREAD_SECONDS, Peer

SECOND = timedelta(seconds=1)


class Silent:
    """A program that neither reads nor says anything."""

    async def send(self, line: bytes) -> None:
        await trio.sleep_forever()

    async def receive_line(self) -> bytes | None:
        return await trio.sleep_forever()


class Reading(Silent):
    """A program that reads, and says nothing."""

    async def send(self, line: bytes) -> None:
        await trio.lowlevel.checkpoint()


async def unasked(_method: str, _params: Any) -> None:
    raise AssertionError


async def test_a_program_that_leaves_its_stdin_unread_is_left(autojump_clock: MockClock) -> None:
    peer, left = Peer("acme", Silent(), unasked), list[str]()

    async def run() -> None:
        left.append(await peer.run())
        peer.end(PluginPollerForwardError("acme", left[0]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        with pytest.raises(PluginPollerForwardError, match="plugin 'acme': it left its stdin unread for 30 s"):
            await peer.call("poll_tick", {}, timedelta(minutes=5))
    assert trio.current_time() == pytest.approx(UNREAD_SECONDS)


async def test_a_call_without_a_reply_ends_in_its_time_and_is_forgotten(autojump_clock: MockClock) -> None:
    peer = Peer("acme", Reading(), unasked)
    with pytest.raises(PluginPollerForwardError, match="plugin 'acme': it did not reply to initialize within 1 s"):
        await peer.call("initialize", {}, SECOND)
    call = await peer.ask("poll_tick", {})
    assert [*peer._calls.values()] == [call]


async def test_calls_after_the_end_fail_at_once() -> None:
    peer = Peer("acme", Reading(), unasked)
    peer.end(PluginPollerForwardError("acme", "gone"))
    with pytest.raises(PluginPollerForwardError, match="gone"):
        await peer.ask("poll_tick", {})


async def test_whoever_comes_late_is_told_of_the_first_end() -> None:
    peer = Peer("acme", Reading(), unasked)
    peer.end(PluginPollerForwardError("acme", "exit status 9"))
    peer.end(PluginPollerForwardError("acme", "it was stopped"))
    with pytest.raises(PluginPollerForwardError, match="exit status 9"):
        await peer.ask("poll_tick", {})


class Talking(Reading):
    """A program that says these lines, and is silent then."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = [*lines]

    async def receive_line(self) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return self.lines.pop(0) if self.lines else await trio.sleep_forever()


async def test_true_is_no_number_of_a_call() -> None:
    peer = Peer("acme", Talking([b'{"id": true, "result": 7}']), unasked)
    async with trio.open_nursery() as nursery:
        call = await peer.ask("initialize", {})
        nursery.start_soon(peer.run)
        await wait_all_tasks_blocked()
        assert (call.id, call.over.is_set()) == (1, False)
        nursery.cancel_scope.cancel()


async def test_of_a_program_that_asks_without_end_no_more_is_read_than_can_be_answered() -> None:
    async def never(_method: str, _params: Any) -> None:
        await trio.sleep_forever()

    program = Talking([b'{"id": 1, "method": "log"}'] * 10 * MOST_ANSWERS)
    peer = Peer("acme", program, never)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.run)
        await wait_all_tasks_blocked()
        assert len(program.lines) == 9 * MOST_ANSWERS - 1
        nursery.cancel_scope.cancel()


async def test_the_log_has_no_more_of_what_a_program_says_than_a_few_words(caplog: pytest.LogCaptureFixture) -> None:
    async def refused(_method: str, _params: Any) -> None:
        raise MethodNotFound("there is no such method")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Peer("acme", Talking([b'{"method": "%s"}' % (b"long " * 100_000)]), refused).run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert "plugin 'acme': long long" in caplog.text
    assert len(caplog.text) < 1_000


class Leaving(Talking):
    """A program that says these lines, and leaves."""

    async def receive_line(self) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return self.lines.pop(0) if self.lines else None


async def test_what_a_program_asked_before_it_left_is_still_done(autojump_clock: MockClock) -> None:
    done: list[str] = []

    async def slowly(method: str, _params: Any) -> None:
        await trio.sleep(1)
        done.append(method)

    peer = Peer("acme", Leaving([b'{"method": "log"}']), slowly)
    assert await peer.run() == "it closed its stdout"
    assert done == ["log"]
