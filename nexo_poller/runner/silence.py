"""Jobs that have had no success for too long, whatever the reason: the fault that nobody sees.

A job may never be claimed at all (its outbox is full, a dead machine's lease runs on, its slots are skipped), so no tick
of its own can tell. Any process may look; the job's fence lets one of them tell, and only while no tick is under way,
whose commit speaks for itself.
"""

import logging
from typing import Final

import trio

from nexo_poller.errors import LeaseLost
from nexo_poller.runner.outcome import alert_policy
from nexo_poller.runner.outgoing import audit_sent
from nexo_poller.runner.parts import Parts
from nexo_poller.runner.patience import answered
from nexo_poller.runner.ticker import Ticker
from nexo_poller.state import after_silence
from nexo_poller.store import Alert, JobRow

SETTLE_SECS: Final = 60.0  # a daemon that was down for long first runs what is due
LOOK_SECS: Final = 10.0

log = logging.getLogger(__name__)


async def break_silences(parts: Parts) -> None:
    """Raise the failure alert of every job that has been silent for its `stale_after`."""
    pause = SETTLE_SECS
    while True:
        await trio.sleep(pause)
        watched = [job.ticker for job in parts.jobs.values() if job.spec.stale_after is not None]
        pause = LOOK_SECS if watched else SETTLE_SECS
        rows = await answered(parts.machine.store.jobs) if watched else {}
        for ticker in watched:
            await _break_silence(ticker, rows[ticker.bound.spec.id])


async def _break_silence(ticker: Ticker, row: JobRow) -> None:
    machine, spec = ticker.machine, ticker.bound.spec
    step = after_silence(row.state, now=machine.clock.now(), policy=alert_policy(spec, machine.settings))
    if step is None:
        return
    alert = Alert(step.state, ticker.alerts(step, row.fence + 1, machine.clock.now()))
    try:
        await answered(lambda: machine.store.alert(spec.id, row.fence, alert))
    except LeaseLost:
        return
    audit_sent(spec, alert.outgoing)
    log.error("%s", step.alert)
    machine.feed.tell("state", job_id=spec.id, change="stale", reason=step.alert)
    machine.wake_relay()
