"""What a store's file says of a job once the process that wrote to it is dead."""

import json
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
from attrs import frozen

from nexo_poller.testing.far_http import Said, said

MESSAGES: Final = "SELECT body FROM poll_outbox UNION ALL SELECT body FROM poll_dead_letter"


@frozen(kw_only=True)
class Evidence:
    """`ticks` that are committed, the `cursor` that they left, and the messages that the file still has."""

    integrity: str
    ticks: int
    cursor: bytes | None
    messages: tuple[Said, ...]


def look_at(db: Path, job_id: str) -> Evidence:
    """Read the file, and change nothing in it."""
    with closing(apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        ticks, cursor = connection.execute("SELECT ticks_total, cursor FROM poll_state WHERE job_id = ?", (job_id,)).get
        events = [json.loads(body) for (body,) in connection.execute(MESSAGES)]
        return Evidence(
            integrity=str(connection.pragma("integrity_check")),
            ticks=ticks,
            cursor=cursor,
            messages=tuple(said(event["id"], event["topic"], event["payload"]) for event in events),
        )
