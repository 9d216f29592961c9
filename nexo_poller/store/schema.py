"""The tables, and how a file gets from an older version of them to this one.

Times are integer milliseconds since the epoch, UTC. `user_version` counts the migrations that a file has seen;
`application_id` tells our files from other people's.
"""

import uuid
from pathlib import Path
from typing import Final

import apsw

from nexo_poller.errors import StoreRefused

APPLICATION_ID: Final = 0x6E786F70  # "nxop"
OLDEST_SQLITE: Final = (3, 51, 3)  # 3.7.0 to 3.51.2 can corrupt a WAL that several processes share

FIRST_TABLES: Final = """
    CREATE TABLE poll_meta (
        store_id TEXT NOT NULL,        -- random, so that no two stores ever make the same message id
        generation INTEGER NOT NULL    -- rises when sleepers of other processes must look again
    ) STRICT;

    CREATE TABLE poll_state (
        job_id TEXT PRIMARY KEY,
        schedule TEXT NOT NULL,        -- fingerprint of what slot and next_run_at were computed from
        created_at INTEGER NOT NULL,   -- anchor of an `every` schedule
        slot INTEGER,
        next_run_at INTEGER,           -- slot with jitter, or a retry; NULL: nothing is due any more
        is_retry INTEGER NOT NULL DEFAULT 0,
        pause_reason TEXT,             -- NULL: awake
        cursor BLOB,
        consecutive_errors INTEGER NOT NULL DEFAULT 0,
        failing_since INTEGER,
        alerts_sent INTEGER NOT NULL DEFAULT 0,
        last_failure_alert_at INTEGER,
        last_run_at INTEGER,
        last_success_at INTEGER,
        last_status TEXT,
        last_error TEXT,
        items_seen_total INTEGER NOT NULL DEFAULT 0,
        items_dispatched_total INTEGER NOT NULL DEFAULT 0,
        ticks_total INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE poll_lease (
        job_id TEXT PRIMARY KEY,       -- or ':relay'
        fence INTEGER NOT NULL,        -- rises with every claim, never restarts
        last_committed_fence INTEGER NOT NULL DEFAULT 0,
        holder TEXT,                   -- NULL: free
        claim_id TEXT,                 -- the claimer's own id of this claim
        is_manual INTEGER NOT NULL DEFAULT 0,
        expires_at INTEGER
    ) STRICT;

    CREATE TABLE poll_outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of commit
        id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        lane TEXT NOT NULL,            -- messages of one lane stay in order
        topic TEXT NOT NULL,
        body BLOB NOT NULL,
        not_before INTEGER,
        created_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        last_error TEXT
    ) STRICT;
    CREATE INDEX poll_outbox_lane ON poll_outbox (lane, seq);

    CREATE TABLE poll_tick (
        job_id TEXT NOT NULL,
        n INTEGER NOT NULL,            -- the job's ticks_total after it
        fence INTEGER NOT NULL,
        slot INTEGER,
        started_at INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        status TEXT NOT NULL,
        error TEXT,
        items_seen INTEGER NOT NULL,
        items_dispatched INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        PRIMARY KEY (job_id, n)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE poll_dead_letter (
        seq INTEGER PRIMARY KEY,       -- as it was in the outbox
        id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        topic TEXT NOT NULL,
        body BLOB NOT NULL,
        attempts INTEGER NOT NULL,
        error TEXT NOT NULL,
        died_at INTEGER NOT NULL
    ) STRICT;
"""

# A replayed message goes back into the lane that it came from.
LANES_OF_DEAD_LETTERS: Final = """
    ALTER TABLE poll_dead_letter ADD COLUMN lane TEXT NOT NULL DEFAULT '';
    UPDATE poll_dead_letter SET lane = job_id || '/' || topic;
"""

# When the job was last resumed, reset or rescheduled: it is not stale for what it could not do before.
AWAKE_SINCE: Final = "ALTER TABLE poll_state ADD COLUMN awake_since INTEGER"

MIGRATIONS: Final = (FIRST_TABLES, LANES_OF_DEAD_LETTERS, AWAKE_SINCE)
ADD_META: Final = "INSERT INTO poll_meta (store_id, generation) SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM poll_meta)"


def refuse_foreign(db: apsw.Connection, path: Path) -> None:
    """Raise `StoreRefused` for a newer file or another program's; nothing is written to it."""
    version, application = db.pragma("user_version"), db.pragma("application_id")
    if application == APPLICATION_ID and version > len(MIGRATIONS):
        raise StoreRefused(
            f"{path}: written by a newer nexo_poller (its schema is version {version}, this one knows "
            f"{len(MIGRATIONS)}); upgrade this installation, or point `state_db` at another file"
        )
    if application != APPLICATION_ID and db.execute("SELECT count(*) FROM sqlite_schema").get:
        raise StoreRefused(f"{path}: another program's database; point `state_db` at a file of its own")


def migrate(db: apsw.Connection) -> None:
    """Bring the file to the present version, in one transaction; several processes may try at once."""
    if db.pragma("user_version") == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[db.pragma("user_version") :]:
            for _ in db.execute(step):  # apsw runs the first statement only, until it is iterated
                pass
        db.pragma("application_id", APPLICATION_ID)
        db.pragma("user_version", len(MIGRATIONS))
        db.execute(ADD_META, (str(uuid.uuid4()),))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def refuse_old_library() -> None:
    """Raise `StoreRefused` if the SQLite inside apsw can lose data."""
    found = tuple(map(int, apsw.sqlite_lib_version().split(".")))
    if found < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise StoreRefused(f"SQLite {apsw.sqlite_lib_version()} is too old (need {wanted}); pip install -U apsw")
