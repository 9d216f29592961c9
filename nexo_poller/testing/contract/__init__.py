"""The promises that a runner, and all who share one, rely on; `docs/howto/contract.md` has them with their reasons."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import trio

from nexo_poller.poller import Poller
from nexo_poller.testing.contract import cancelled, cursors, declared, ticked
from nexo_poller.testing.contract.trial import Trial
from nexo_poller.testing.harness import Harness
from nexo_poller.testing.stepping import MOST_STEPS, Endless
from nexo_poller.testing.watching import listen

MOST_CURSOR_BYTES: Final = 65_536


async def assert_poller_contract(  # noqa: PLR0913 - each with its default
    poller: Poller[Any],
    *,
    good: Mapping[str, Any],
    bad: Sequence[Mapping[str, Any]] = (),
    harness: Harness,
    news: Callable[[int], object] | None = None,
    queries: Sequence[str] = (),
    most_cursor_bytes: int = MOST_CURSOR_BYTES,
) -> None:
    """Fail unless `poller` is one that a runner can trust.

    `good` is a config with which it ticks well, in the `harness`: give that the routes and accounts that it needs. The
    servers must answer alike every time; the replies of `harness.llm` are for one tick, and given to each. `bad` are configs that it must refuse. `news(n)`, called before the n-th tick of a
    long row of them, gives the servers something new to tell, much of it for a quick test: without, nothing shows that a
    cursor stays small, under `most_cursor_bytes`. `queries` are the URLs that it may ask by POST although nothing changes
    there, as GraphQL's.

    Raises `AssertionError` with everything that is wrong, where, and what to do about it.
    """
    __tracebackhide__ = True
    listen()
    trial, began = Trial(poller=poller, harness=harness, good=good), len(harness.journal)
    trio.lowlevel.add_instrument(trial.watch)
    try:
        if declared.check(trial, bad) and (first := await ticked.check_first(trial)):
            is_repeatable = await cursors.check_repeats(trial, first)
            await cursors.check_round_trip(trial, first)
            await ticked.check_dry_run(trial, first, queries)
            await ticked.check_troubles(trial, first)
            await declared.check_templates(trial)
            before = await trial.tick()  # on servers that the ticks above may have changed, as is their right
            await cancelled.check(trial)
            if is_repeatable:
                await cancelled.check_traces(trial, before)
            if news is not None:
                await cursors.check_growth(trial, news, most_cursor_bytes)
    except Endless:
        trial.wrong(
            f"Its tick does not end in {MOST_STEPS:,} steps.",
            "Let a try that failed end the tick: the runner tries again.",
        )
    except Exception:
        if not trial.watch.faults:  # which are why, as when a changed config leads nowhere
            raise
    finally:
        trio.lowlevel.remove_instrument(trial.watch)
        harness.llm = trial.llm
        del harness.journal[began:]  # hundreds of ticks, which tell nothing that the message does not
    for what, remedy in trial.watch.faults.items():
        trial.wrong(what, remedy)
    if trial.problems:
        found = "\n".join(f"  - {problem.what}\n    {problem.remedy}" for problem in trial.problems)
        raise AssertionError(f"{type(poller).__name__} breaks the contract of pollers:\n{found}")
