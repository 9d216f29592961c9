"""Calls under way into code that others wrote, which can be stopped from outside."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Generic, TypeVar

import trio
from attrs import Factory, define

from nexo_poller.errors import BrokerUnavailable

A = TypeVar("A")
R = TypeVar("R")


@define(eq=False)
class Call:
    """A call at work."""

    _scope: trio.CancelScope = Factory(trio.CancelScope)
    _gone: trio.Event = Factory(trio.Event)

    async def run(self, function: Callable[[A], Awaitable[R]], argument: A) -> R:
        """Call `function`; raises `BrokerUnavailable` if it was stopped before it returned."""
        try:
            with self._scope:
                answering = function(argument)
                if not isawaitable(answering):
                    raise TypeError("it is no async function; write `async def`")
                return await answering
        finally:
            self._gone.set()
        raise BrokerUnavailable("a subscriber left before it was done with the message")

    async def stop(self) -> None:
        """Cancel the call; return once it is gone."""
        self._scope.cancel()
        await self._gone.wait()


@define(eq=False)
class Callee(Generic[A, R]):
    """A function that is called, for several arguments at once if they come so, until `stop`."""

    function: Callable[[A], Awaitable[R]]
    _calls: set[Call] = Factory(set)

    async def call(self, argument: A) -> R:
        """Call the function, in the caller's task; raises what it raises, or as `Call.run`."""
        call = Call()
        self._calls.add(call)
        try:
            return await call.run(self.function, argument)
        finally:
            self._calls.remove(call)

    async def stop(self) -> None:
        """Stop all calls under way."""
        async with trio.open_nursery() as nursery:
            for call in self._calls:
                nursery.start_soon(call.stop)
