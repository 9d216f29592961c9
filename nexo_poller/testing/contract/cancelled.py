"""A tick is cancelled at its timeout, at a reload, and when its lease is lost: at any of its steps."""

from typing import Final

import trio

from nexo_poller.failures import leaves
from nexo_poller.poller import TickAck
from nexo_poller.testing.contract.cursors import said
from nexo_poller.testing.contract.trial import Ticked, Trial
from nexo_poller.testing.result import TickResult
from nexo_poller.testing.stepping import LONGEST_SHIELD, MOST_GIVEN, Endless, Shielded

MOST_STEPS: Final = 50  # to cancel at: beyond them, some are left out


async def check(trial: Trial) -> None:
    """Cancelled at every step, it ends."""
    steps = (await trial.tried()).steps.number
    for step in range(0, steps + 1, steps // MOST_STEPS + 1):
        try:
            fault = _fault(await trial.tried(cancel_at=step))
        except Shielded as shielded:
            trial.wrong(
                f"It cannot be cancelled: at step {step} of {steps} it waits behind a shield, {shielded}.",
                f"Shield only what must be undone, and no longer than {LONGEST_SHIELD:g} s: "
                f"`with trio.move_on_after({LONGEST_SHIELD:g}, shield=True)`. A tick that cannot be ended holds up every "
                "reload and shutdown.",
            )
            return
        except Endless:
            fault = f"its tick went on {MOST_GIVEN} times"
        if fault:
            trial.wrong(
                f"It swallows trio.Cancelled: cancelled at step {step} of {steps}, {fault}.",
                "Let it through: catch `Exception`, never `BaseException` or everything, or raise again what was caught. A "
                "tick that cannot be ended holds up every reload and shutdown.",
            )
            return


async def check_traces(trial: Trial, before: TickResult) -> None:
    """After all that was cancelled, a tick does as one before it did."""
    if said(await trial.tick()) != said(before):
        trial.wrong(
            "A tick that was cancelled has left something behind: the tick after it does otherwise than one before it did.",
            "Undo in a `finally` what a tick begins on `self`, or keep it in a local variable.",
        )


def _fault(ticked: Ticked) -> str:
    """What the poller did instead of ending."""
    if not ticked.steps.given:  # it was over before the next step
        return ""
    match ticked.ended:
        case TickAck():
            return "its tick returned a TickAck"
        case BaseExceptionGroup() as group if any(isinstance(leaf, trio.Cancelled) for leaf in leaves(group)):
            return ""
        case trio.Cancelled():
            return ""
        case BaseException() as error:
            return f"its tick raised {type(error).__name__}: {error}"
        case other:
            return f"its tick returned {other!r}"
