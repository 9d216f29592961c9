"""The texts of failure alerts."""

from datetime import datetime


def failing(job_id: str, kind: str, error: str, *, since: datetime | None) -> str:
    """The first alert of a row of errors, or, with `since`, a reminder that it goes on."""
    if since is None:
        return f"⚠ poller `{job_id}` (kind={kind}) failing: {error}"
    return f"⚠ poller `{job_id}` (kind={kind}) still failing since {since:%Y-%m-%dT%H:%M:%SZ}: {error}"


def recovered(job_id: str, errors: int) -> str:
    """The all-clear after alerts were sent."""
    return f"✔ poller `{job_id}` recovered after {errors} errors" if errors else f"✔ poller `{job_id}` is back"
