"""Moments as the admin server has them, integer milliseconds since the epoch, in words relative to now."""

from datetime import datetime
from typing import Final

from nexo_poller.store.rows import moment
from nexo_poller.words import ago, ahead

NEVER: Final = "-"


def since(moment_ms: int | None, now: datetime) -> str:
    """`12 s ago`; `-` for what has never been."""
    return NEVER if moment_ms is None else ago(now - moment(moment_ms))


def until(moment_ms: int | None, now: datetime) -> str:
    """`in 3 min 05 s`; `-` for what will never be."""
    return NEVER if moment_ms is None else ahead(moment(moment_ms) - now)
