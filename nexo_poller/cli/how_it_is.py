"""How a job is, in a word, and what an operator should read about it: from the JSON of the admin interface."""

from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

STYLES: Final = {"rejected": "red", "failing": "red", "paused": "yellow", "running": "green", "fired": "dim"}


def state_of(job: Mapping[str, Any]) -> Text:
    """The word, in the colour of how much it matters."""
    return Text(job["state"], STYLES.get(job["state"], ""))


def note_on(job: Mapping[str, Any]) -> str:
    """Why it is rejected, paused or failing; "" for a job that runs as it should."""
    match job["state"]:
        case "rejected":
            return "; ".join(job["problems"])
        case "paused":
            return str(job["pause_reason"])
        case "failing":
            silence = "no success for too long" if job["stale"] else None
            return "; ".join(filter(None, (job["last_error"], silence)))
        case _:
            return ""
