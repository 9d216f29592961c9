"""JSON-RPC with a program over lines, in both directions: we call it, and it calls us, at any time.

Theory of operation. One task reads, and every call of the program's is answered in a task of its own, so a slow answer
holds up neither replies nor other answers. Reading is lenient: what is no message, and a reply that nobody waits for (too
late, twice, to an id that never was), is logged and dropped; `jsonrpc` may be missing, and `id` where only one call is
open. Everything is bounded: answers under way (beyond them nothing more is read), the time for which a line may lie
unread on the program's stdin, and what a program can make us log.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from itertools import count
from typing import Any, Final, Protocol, TypeGuard

import outcome
import trio
from attrs import Factory, define, field

from nexo_poller.errors import PluginPollerForwardError
from nexo_poller.failures import describe
from nexo_poller.plugins.last_words import LONGEST_TOLD, cut
from nexo_poller.plugins.lines import LineTooLong
from nexo_poller.plugins.wire import message_of, reply_error, reply_result, request_line, result_of

MOST_ANSWERS: Final = 64  # under way at once
UNREAD_SECONDS: Final = 30.0  # for which a program may leave a line on its stdin
LAST_SECONDS: Final = 2.0  # for what a program has still to say that closed its stdin, and for its last answers

Answer = Callable[[str, Any], Awaitable[Any]]
log = logging.getLogger(__name__)


class Pipes(Protocol):
    """A program's stdin and stdout, by lines."""

    async def send(self, line: bytes) -> None:
        """Write the line, whole or not at all if cancelled.

        Raises `trio.BrokenResourceError` or `trio.ClosedResourceError` if nobody can read it.
        """
        ...

    async def receive_line(self) -> bytes | None:
        """The next line; None when the program closed its stdout. Raises `LineTooLong`."""
        ...


@define(eq=False)
class Call:
    """A call, from when it is on its way to when its reply is there, or nobody expects it any more."""

    id: int
    method: str
    over: trio.Event = Factory(trio.Event)
    _came: outcome.Outcome[Any] | None = None

    def settle(self, came: outcome.Outcome[Any]) -> None:
        """Let whoever waits go on."""
        self._came = came
        self.over.set()

    async def result(self) -> Any:
        """What the program replied. Raises what its error stands for, or why there is no reply."""
        await self.over.wait()
        assert self._came is not None  # noqa: S101 - for the type checker: it is settled
        return self._came.unwrap()


@define(eq=False)
class Complaints:
    """A log that no program can fill: of its faults the 1st, 2nd, 4th, 8th, and so on are written down."""

    _plugin_id: str
    _numbers: Iterator[int] = Factory(lambda: count(1))

    def __call__(self, fault: str) -> None:
        """Write the fault down, if it is its turn."""
        number = next(self._numbers)
        if number & (number - 1) == 0:
            log.warning("plugin '%s': %s (fault %d of what it says)", self._plugin_id, cut(fault, LONGEST_TOLD), number)


@define(eq=False)
class Peer:
    """The program behind `pipes`, while `run` runs.

    `answer` is called for each call of the program's, in their order, and must not raise; what it returns is awaited in
    a task of its own, and what that raises is the reply.
    """

    plugin_id: str
    _pipes: Pipes
    _answer: Answer
    _calls: dict[int, Call] = field(factory=dict, init=False)
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)
    _answering: trio.Semaphore = field(factory=lambda: trio.Semaphore(MOST_ANSWERS), init=False)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _left: str | None = field(default=None, init=False)
    _ended: Exception | None = field(default=None, init=False)
    _complain: Complaints = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._complain = Complaints(self.plugin_id)

    async def run(self) -> str:
        """Read and answer until the program cannot be talked to any more; returns what it did that one cannot.

        It may still run. The calls that are open stay so: `end` them.
        """
        with self._scope:
            async with trio.open_nursery() as answers:
                await self._read(answers)  # and what it asked before it left is still done
        return self._left or "it cannot be talked to"

    def end(self, error: Exception) -> None:
        """Let every open call, and each that comes from now on, fail with `error`. The first end tells most."""
        self._ended = self._ended or error
        while self._calls:
            self._calls.popitem()[1].settle(outcome.Error(error))

    def leave(self, why: str, after_secs: float = 0) -> None:
        """End `run` soon, for this reason. Of a program that is leaving, the first sign tells most."""
        self._left = self._left or why
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + after_secs)

    async def call(self, method: str, params: Mapping[str, Any], timeout: timedelta) -> Any:
        """The result of a call.

        Raises `PluginPollerForwardError` if there is none in time, what its error stands for (`wire.error_of`) if it has
        one, and what the peer was ended with.
        """
        call: Call | None = None
        try:
            with trio.fail_after(timeout.total_seconds()):
                call = await self.ask(method, params)
                return await call.result()
        except trio.TooSlowError as error:
            what = f"it did not reply to {method} within {timeout.total_seconds():g} s"
            raise PluginPollerForwardError(self.plugin_id, what) from error
        finally:
            if call is not None:
                self.forget(call)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Call:
        """Put a call on its way, and return without waiting for its reply. `forget` it when you no longer do.

        *Cancellation.* The call has not been made. Raises what the peer was ended with.
        """
        if self._ended is not None:
            raise self._ended
        call = Call(next(self._numbers), method)
        line = request_line(call.id, method, params)
        self._calls[call.id] = call
        try:
            await self._send(line)
        except BaseException:
            self.forget(call)
            raise
        return call

    def forget(self, call: Call) -> None:
        """Expect no reply any more; one that comes is dropped."""
        self._calls.pop(call.id, None)
        call.over.set()

    async def _read(self, nursery: trio.Nursery) -> None:
        try:
            while (line := await self._pipes.receive_line()) is not None:
                await self._take(line, nursery)
            self.leave("it closed its stdout", LAST_SECONDS)
        except LineTooLong as error:
            self.leave(f"it wrote {describe(error)}", LAST_SECONDS)

    async def _take(self, line: bytes, nursery: trio.Nursery) -> None:
        if not line.strip():
            return
        try:
            message = message_of(line)
        except ValueError as error:
            self._complain(f"a line of {len(line):,} bytes is no message: {describe(error)}")
            return
        method = message.get("method")
        if isinstance(method, str):
            await self._answering.acquire()
            answer = self._answer(method, message.get("params"))
            nursery.start_soon(self._reply, method, message.get("id"), answer)
        else:
            self._take_reply(message)

    async def _reply(self, method: str, call_id: object, answer: Awaitable[Any]) -> None:
        """Await the answer; a call without an id is none that wants a reply."""
        try:
            line = reply_result(call_id, await answer)
        except Exception as error:  # noqa: BLE001 - it is the program's to hear, and may come from anybody's code
            line = reply_error(call_id, error)
            if call_id is None:
                self._complain(f"{method} failed: {describe(error)}")
        finally:
            self._answering.release()
        if call_id is not None:
            await self._send(line)

    def _take_reply(self, message: Mapping[str, Any]) -> None:
        call_id = message.get("id")
        if call_id is None and message.keys() & {"result", "error"} and len(self._calls) == 1:
            [call_id] = self._calls
        call = self._calls.pop(int(call_id), None) if _is_whole(call_id) else None
        if call is None:
            self._complain("it replied to a call that is not open: too late, twice, or with a wrong id")
        else:
            call.settle(outcome.capture(result_of, message, self.plugin_id))

    async def _send(self, line: bytes) -> None:
        """Write a line. If the program does not take it, `run` comes to its end."""
        try:
            with trio.fail_after(UNREAD_SECONDS):
                await self._pipes.send(line)
        except trio.TooSlowError:
            self.leave(f"it left its stdin unread for {UNREAD_SECONDS:g} s", 0)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.leave("it closed its stdin", LAST_SECONDS)


def _is_whole(number: object) -> TypeGuard[int | float]:
    """Whether it can be an id of ours. To some languages 3 and 3.0 are one; true is no number, though Python has it so."""
    return type(number) is int or (type(number) is float and number.is_integer())
