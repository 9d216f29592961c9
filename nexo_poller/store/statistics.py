"""How much a store holds, counted without reading it all."""

from collections import Counter
from collections.abc import Collection
from typing import Final

import apsw

from nexo_poller.state import FIRED
from nexo_poller.store import StoreStatistics
from nexo_poller.store.rows import from_ms

COUNT: Final = """
    SELECT
        (SELECT count(*) FROM poll_outbox),
        (SELECT created_at FROM poll_outbox ORDER BY seq LIMIT 1),
        (SELECT count(*) FROM poll_dead_letter)
"""
# All others run well: of ten thousand jobs these are few.
NOT_RUNNING_WELL: Final = """
    SELECT job_id, pause_reason FROM poll_state WHERE pause_reason IS NOT NULL OR consecutive_errors > 0
"""


def statistics(db: apsw.Connection, jobs: Collection[str]) -> StoreStatistics:
    """`Store.statistics`."""
    ((pending, oldest, dead_letters),) = db.execute(COUNT)
    found = Counter(_state(reason) for job_id, reason in db.execute(NOT_RUNNING_WELL) if job_id in jobs)
    return StoreStatistics(
        pending=pending,
        oldest_pending_at=from_ms(oldest),
        dead_letters=dead_letters,
        jobs={
            "running": len(jobs) - found.total(),
            "failing": found["failing"],
            "paused": found["paused"],
            "fired": found["fired"],
        },
    )


def _state(pause_reason: str | None) -> str:
    if pause_reason is None:
        return "failing"
    return "fired" if pause_reason == FIRED else "paused"
