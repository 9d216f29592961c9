"""What answers look like, as JSON Schema. More may be added to each object; what is here stays."""

from collections.abc import Mapping
from typing import Final

from nexo_poller.admin.route import Schema
from nexo_poller.runner.condition import Condition


def record(**fields: Schema) -> Schema:
    """An object that has at least these fields."""
    return {"type": "object", "properties": fields, "required": [*fields]}


def list_of(item: Schema) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": item}


def maybe(schema: Schema) -> Schema:
    """Such a value, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
MOMENT: Final[Schema] = {"type": "integer", "description": "Milliseconds since the epoch."}
TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
OK: Final[Schema] = {"const": True}
MAYBE_TEXT: Final = maybe(TEXT)
MAYBE_MOMENT: Final = maybe(MOMENT)
MAYBE_COUNT: Final = maybe(COUNT)
STATUS: Final[Schema] = {"enum": ["ok", "transient", "permanent", "skipped"]}
OBJECT: Final[Schema] = {"type": "object"}
ANYTHING: Final[Schema] = {}

SUMMARY: Final[Mapping[str, Schema]] = {
    "id": TEXT,
    "kind": TEXT,
    "agent": TEXT,
    "state": {"enum": [*Condition]},
    "paused": FLAG,
    "pause_reason": MAYBE_TEXT,
    "last_run_at_ms": MAYBE_MOMENT,
    "next_run_at_ms": MAYBE_MOMENT,
    "last_success_at_ms": MAYBE_MOMENT,
    "last_status": maybe(STATUS),
    "last_error": MAYBE_TEXT,
    "consecutive_errors": COUNT,
    "breaker": {"enum": ["closed", "open", "half-open"]},
    "stale": FLAG,
    "items_seen_total": COUNT,
    "items_dispatched_total": COUNT,
    "pending_messages": COUNT,
    "rejected": FLAG,
    "problems": list_of(TEXT),
}
JOB: Final = record(**SUMMARY)
DETAILS: Final = record(
    **SUMMARY,
    config=OBJECT,
    extra=OBJECT,
    schedule=OBJECT,
    jitter_ms=MAYBE_COUNT,
    misfire=MAYBE_TEXT,
    stale_after_ms=MAYBE_COUNT,
    failure_to=maybe(record(channel=TEXT, to=TEXT)),
    fence=COUNT,
    lease=maybe(record(holder=TEXT, expires_at_ms=MAYBE_MOMENT)),
    cursor=maybe(record(size=COUNT, digest=TEXT)),
)
REPORT: Final[Schema] = record(
    ok=OK,
    status=STATUS,
    items_seen=COUNT,
    items_dispatched=COUNT,
    deliveries=COUNT,
    error={"type": "null"},
)
TICK: Final[Schema] = record(
    fence=COUNT,
    slot_ms=MAYBE_MOMENT,
    started_at_ms=MOMENT,
    duration_ms=COUNT,
    status=STATUS,
    error=MAYBE_TEXT,
    items_seen=COUNT,
    items_dispatched=COUNT,
    messages=COUNT,
)
TOOL: Final[Schema] = record(name=TEXT, description=TEXT, inputSchema=OBJECT)
TOOL_RESULT: Final[Schema] = record(ok=OK, result=OBJECT)
PAUSED: Final[Schema] = record(ok=OK, paused={"const": True}, changed=FLAG)
RESUMED: Final[Schema] = record(ok=OK, paused={"const": False}, changed=FLAG)
RESET: Final[Schema] = record(ok=OK, reset={"const": True})
DONE: Final[Schema] = record(ok=OK)
MESSAGE: Final[Mapping[str, Schema]] = {
    "id": COUNT,
    "job_id": TEXT,
    "event_id": TEXT,
    "topic": TEXT,
    "payload": ANYTHING,
    "bytes": COUNT,
    "attempts": COUNT,
}
PENDING: Final = record(**MESSAGE, created_at_ms=MOMENT, not_before_ms=MAYBE_MOMENT)
DEAD_LETTER: Final = record(**MESSAGE, error=TEXT, died_at_ms=MOMENT)
REPLAYED: Final = record(ok=OK, replayed=OK)
DELETED: Final = record(ok=OK, deleted=COUNT)
CURSOR: Final = record(cursor=MAYBE_TEXT, text=MAYBE_TEXT, size=MAYBE_COUNT, digest=MAYBE_TEXT)
IDS: Final = list_of(TEXT)
PLAN: Final = record(ok=OK, add=IDS, replace=IDS, remove=IDS, keep=IDS)
