"""What a tick does, and what it makes of servers that fail."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from traceback import walk_tb
from typing import Any, Final

import httpx
from attrs import evolve

from nexo_poller.errors import PermanentError
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import PollContext
from nexo_poller.testing.answers import answer, broken, rate_limited
from nexo_poller.testing.contract.cursors import shown
from nexo_poller.testing.contract.trial import Trial
from nexo_poller.testing.result import TickResult
from nexo_poller.testing.routes import Handler, Routes
from nexo_poller.testing.watching import is_own

SAFE: Final = ("GET", "HEAD", "OPTIONS")  # RFC 9110, 9.2.1
RETRY_AFTER: Final = timedelta(minutes=1)


def unreachable(request: httpx.Request) -> httpx.Response:
    """A handler where there is no server."""
    raise httpx.ConnectError("All connection attempts failed", request=request)


def silent(request: httpx.Request) -> httpx.Response:
    """A handler of a server that takes too long."""
    raise httpx.ReadTimeout("The read operation timed out", request=request)


TROUBLES: Final[dict[str, Handler]] = {
    "a 503": answer(503),
    "a 500": answer(500),
    "a 429": rate_limited(RETRY_AFTER),
    "a 408": answer(408),
    "a 502": answer(502),
    "a 504": answer(504),
    "a connection that broke": broken(),
    "a server that cannot be reached": unreachable,
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
            "If it lacks something, give the harness the routes, accounts and replies that it needs; or else mend `tick`.",
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
    for trouble, handler in TROUBLES.items():
        transport = httpx.MockTransport(Routes(otherwise=handler))
        async with HttpPools.open(clock=trial.harness.clock, transport=transport) as pools:

            def in_trouble(ctx: PollContext[Any], pools: HttpPools = pools) -> PollContext[Any]:
                return evolve(ctx, open_http=lambda: pools.client_for(ctx.config))

            result = await trial.tick(first.next_cursor, change=in_trouble)
        if isinstance(result.error, PermanentError):
            trial.wrong(
                f"It answers {trouble} with a {type(result.error).__name__}, '{result.error}', which pauses the job until an "
                "operator comes.",
                "Raise `TransientError` for what passes by itself: the runner waits longer and longer between tries.",
            )
            return
        if result.error is None and result.next_cursor not in {None, first.next_cursor}:
            trial.wrong(
                f"It takes {trouble} for news: its cursor goes from {shown(first.next_cursor)} to {shown(result.next_cursor)}, so "
                "that things are lost or come again.",
                "Raise `TransientError` where the answer is not what was asked for; then the cursor stays.",
            )
            return
