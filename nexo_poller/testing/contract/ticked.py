"""What a tick does, and what it makes of servers that fail."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import httpx
from attrs import evolve

from nexo_poller.errors import PermanentError
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import PollContext
from nexo_poller.testing.answers import answer, broken, rate_limited
from nexo_poller.testing.contract.trial import Trial
from nexo_poller.testing.result import TickResult
from nexo_poller.testing.routes import Handler, Routes

SAFE: Final = ("GET", "HEAD", "OPTIONS")  # RFC 9110, 9.2.1
RETRY_AFTER: Final = timedelta(minutes=1)
TROUBLES: Final[dict[str, Handler]] = {
    "a 503": answer(503),
    "a 500": answer(500),
    "a 429": rate_limited(RETRY_AFTER),
    "a connection that broke": broken(),
}


async def check_first(trial: Trial) -> TickResult | None:
    """The first tick, on no cursor; None if nothing can be learnt from further ones."""
    first = await trial.tick()
    if first.error is not None:
        trial.wrong(
            f"Its tick fails with the good config: {first.error}",
            "Give the harness the routes and accounts that it needs.",
        )
    elif not trial.watch.faults:
        with trial.watch.profiling():
            await trial.tick()
    return None if first.error is not None or trial.watch.faults else first


async def check_dry_run(trial: Trial, queries: Sequence[str]) -> None:
    """A tick must change nothing outside that is not taken back if it is not committed."""
    before = len(trial.harness.http.requests)
    await trial.tick(change=lambda ctx: evolve(ctx, is_dry_run=True))
    for request in trial.harness.http.requests[before:]:
        url = str(request.url.copy_with(query=None, fragment=None))
        if request.method not in SAFE and url not in queries:
            trial.wrong(
                f"It sends {request.method} {url} itself, in a dry run, too. Whenever a tick is not committed, it is run "
                "again, and would send that again.",
                "Return what is to be sent in `TickAck.deliver`. If this only asks for something, name its URL in `queries`.",
            )
            return


async def check_troubles(trial: Trial) -> None:
    """What passes by itself must not pause the job."""
    for trouble, handler in TROUBLES.items():
        transport = httpx.MockTransport(Routes(otherwise=handler))
        async with HttpPools.open(clock=trial.harness.clock, transport=transport) as pools:

            def in_trouble(ctx: PollContext[Any], pools: HttpPools = pools) -> PollContext[Any]:
                return evolve(ctx, open_http=lambda: pools.client_for(ctx.config))

            result = await trial.tick(change=in_trouble)
        if isinstance(result.error, PermanentError):
            trial.wrong(
                f"It answers {trouble} with a {type(result.error).__name__}, '{result.error}', which pauses the job until an "
                "operator comes.",
                "Raise `TransientError` for what passes by itself: the runner waits longer and longer between tries.",
            )
            return
