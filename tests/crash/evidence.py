"""What a database says of itself once the process that wrote to it is dead."""

import json
from contextlib import closing
from pathlib import Path

import apsw
from attrs import frozen

from nexo_poller.builtins.cursor import Cursor
from nexo_poller.seen import digest


@frozen(kw_only=True)
class Evidence:
    """`cursors` by job, None before the first commit; `outbox` holds texts; `held` counts leases on jobs."""

    integrity: str
    cursors: dict[str, bytes | None]
    outbox: list[str]
    held: int

    def covers(self, item: str) -> bool:
        """Whether the cursor of its job is beyond this item, and does not keep it for later."""
        job, _, n = item.partition(" ")
        cursor = self.cursors[job]
        if cursor is None:
            return False
        if job == "numbers":
            return int(n) <= int(cursor)
        listed = Cursor.from_bytes("webhook_poll", cursor)
        return digest(n) in listed.seen.digests and item not in listed.waiting


def look_at(db: Path) -> Evidence:
    """Read the file, and change nothing in it."""
    with closing(apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        return Evidence(
            integrity=str(connection.pragma("integrity_check")),
            cursors=dict(connection.execute("SELECT job_id, cursor FROM poll_state")),
            outbox=[
                json.loads(body)["payload"]["text"]
                for (body,) in connection.execute("SELECT body FROM poll_outbox ORDER BY seq")
            ],
            held=len(
                list(
                    connection.execute(
                        "SELECT 1 FROM poll_lease WHERE holder IS NOT NULL AND expires_at > 0 AND job_id <> ':relay'"
                    )
                )
            ),
        )
