"""What a tick does, and what it makes of servers that fail."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from traceback import walk_tb
from typing import Final

import httpx
from attrs import evolve

from nexo_poller.errors import PermanentError
from nexo_poller.http.pools import HttpPools
from nexo_poller.testing.answers import answer, broken, rate_limited
from nexo_poller.testing.contract.cursors import sent, shown
from nexo_poller.testing.contract.trial import Trial
from nexo_poller.testing.result import TickResult
from nexo_poller.testing.routes import Handler, Routes
from nexo_poller.testing.watching import is_own

SAFE: Final = ("GET", "HEAD", "OPTIONS")  # RFC 9110, 9.2.1
RETRY_AFTER: Final = timedelta(minutes=1)
TICKS_AFTER: Final = 10


def unreachable(request: httpx.Request) -> httpx.Response:
    """A handler where there is no server."""
    raise httpx.ConnectError("All connection attempts failed", request=request)


def silent(request: httpx.Request) -> httpx.Response:
    """A handler of a server that takes too long."""
    raise httpx.ReadTimeout("The read operation timed out", request=request)


TROUBLES: Final[dict[str, Handler]] = {
    "a server that cannot be reached": unreachable,
    "a 503": answer(503),
    "a 500": answer(500),
    "a 429": rate_limited(RETRY_AFTER),
    "a 408": answer(408),
    "a 502": answer(502),
    "a 504": answer(504),
    "a connection that broke": broken(),
    "a server that says nothing": silent,
}


async def check_first(trial: Trial) -> TickResult | None:
    """The first tick, on no cursor; None if nothing can be learnt from further ones."""
    with trial.watch.profiling():  # from the first on, which may open what the others use
        first = await trial.tick()
    if first.error is not None:
        cause = first.error.__cause__ or first.error
        kind = "" if cause is first.error else f"{type(cause).__name__}: "
        trial.wrong(
            f"Its tick fails with the good config: {kind}{cause}{_place(cause)}",
            "If it lacks something, give the harness the routes, accounts and replies that it needs. If it waits for something "
            "real, such as a program, test it beside `poller_http_server`, in real time. Or else mend `tick`.",
        )
        return None
    await trial.tick()  # not profiled, but timed
    return None if trial.watch.faults else first


def _place(error: BaseException) -> str:
    """The innermost line of the poller's own on the way of the error, if one was."""
    own = [(frame, line) for frame, line in walk_tb(error.__traceback__) if is_own(frame)]
    return f" (in {own[-1][0].f_code.co_name}, {Path(own[-1][0].f_code.co_filename).name}:{own[-1][1]})" if own else ""


async def check_dry_run(trial: Trial, first: TickResult, queries: Sequence[str]) -> None:
    """A tick must change nothing outside that is not taken back if it is not committed, whether it finds news or not."""
    before = len(trial.harness.http.requests)
    for cursor in (None, first.next_cursor):
        await trial.tick(cursor, change=lambda ctx: evolve(ctx, is_dry_run=True))
    for request in trial.harness.http.requests[before:]:
        url = str(request.url.copy_with(query=None, fragment=None))
        if request.method not in SAFE and url not in queries:
            trial.wrong(
                f"It sends {request.method} {url} itself, in a dry run, too. Whenever a tick is not committed, it is run "
                "again, and would send that again.",
                "Return what is to be sent in `TickAck.deliver`. If this only asks for something, name its URL in `queries`.",
            )
            return


async def check_troubles(trial: Trial, first: TickResult) -> None:
    """What passes by itself must neither pause the job nor be taken for an answer."""
    watches = False
    for trouble, handler in TROUBLES.items():
        result = await _in_trouble(trial, first.next_cursor, handler)
        if isinstance(result.error, PermanentError):
            trial.wrong(
                f"It answers {trouble} with a {type(result.error).__name__}, '{result.error}', which pauses the job until an "
                "operator comes.",
                "Raise `TransientError` for what passes by itself: the runner waits longer and longer between tries.",
            )
            return
        watches = watches or (handler is unreachable and bool(sent(result)))
        if not watches and (harm := await _harm(trial, first, result)):
            trial.wrong(
                f"It takes {trouble} for news: its cursor goes from {shown(first.next_cursor)} to {shown(result.next_cursor)}, "
                f"and {harm}.",
                "Raise `TransientError` where the answer is not what was asked for; then the cursor stays. (What watches whether "
                "servers answer is right to tell; then it must tell of one that cannot be reached, too.)",
            )
            return


async def _in_trouble(trial: Trial, cursor: bytes | None, handler: Handler) -> TickResult:
    """A tick to which all servers answer as `handler` does."""
    async with HttpPools.open(
        clock=trial.harness.clock, transport=httpx.MockTransport(Routes(otherwise=handler))
    ) as pools:
        return await trial.tick(cursor, change=lambda ctx: evolve(ctx, open_http=lambda: pools.client_for(ctx.config)))


async def _harm(trial: Trial, first: TickResult, result: TickResult) -> str:
    """What is sent otherwise, in the end, because the trouble of `result` moved the cursor that `first` left, if anything is.

    A cursor may move without harm: it counts ticks or failures, or whose turn it is.
    """
    if result.next_cursor == first.next_cursor:
        return ""
    without, with_it = [await trial.tick(first.next_cursor)], [result]
    for ticks in (without, with_it):
        while len(ticks) <= TICKS_AFTER:
            ticks.append(await trial.tick(ticks[-1].next_cursor))
            if ticks[-1].error is not None:
                return f"the tick after it fails with {ticks[-1].error}"
    usual, found = (Counter(repr(one) for tick in ticks for one in sent(tick)) for ticks in (without, with_it))
    for one in found - usual:
        return f"it sends what it does not send without the trouble: {one}"
    for one in usual - found:
        return f"it never sends what it sends without the trouble: {one}"
    return ""
