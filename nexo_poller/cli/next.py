"""`nexo-poller next ID`: when a job will run."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from nexo_poller.cli.options import config_option, json_option
from nexo_poller.cli.problems import show
from nexo_poller.cli.running import Refused, load, run
from nexo_poller.config.model import Config, JobSpec
from nexo_poller.errors import JobUnknown
from nexo_poller.logs import escape
from nexo_poller.schedule import At, Cron
from nexo_poller.state import FIRED, JobState
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.timetable import Due, Timetable


@click.command("next")
@click.argument("job_id", metavar="ID")
@click.option("-n", "count", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many slots.")
@config_option
@json_option
def command(job_id: str, count: int, path: Path, as_json: bool) -> None:
    """Show the coming slots of the job ID, in its own zone and in UTC, and when jitter lets each start.

    Slots of `every_secs` are counted from the first start of the job, which the database knows; without a database, as
    if the job were started now.
    """
    config = load(path)
    job = _find(config, job_id)
    now = datetime.now(UTC)
    state_db = config.settings.state_db
    state = run(known_state, state_db, job_id) if state_db.exists() else None
    jitter = config.settings.default_jitter if job.schedule.jitter is None else job.schedule.jitter
    timetable = Timetable(job_id=job.id, schedule=job.schedule, jitter=jitter, misfire=job.misfire)
    zone = job.schedule.zone if isinstance(job.schedule, Cron) else ZoneInfo("UTC")
    coming = list(islice(slots_to_come(timetable, state, now), count))
    if as_json:
        slots = [_as_json(due, zone) for due in coming]
        paused = state.pause_reason if state else None
        click.echo(json.dumps({"job": job_id, "zone": zone.key, "paused": paused, "slots": slots}))
        return
    for due in coming:
        click.echo(f"{due.slot.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}   {_utc(due.slot)}   starts {_utc(due.at)}")
    remark = remark_on(coming, timetable, state, now)
    if remark is not None:
        click.echo(escape(remark), err=True)


async def known_state(state_db: Path, job_id: str) -> JobState | None:
    """What the database knows of the job, if it does."""
    async with SqliteStore(state_db) as store:
        row = (await store.jobs()).get(job_id)
    return row.state if row else None


def slots_to_come(timetable: Timetable, state: JobState | None, now: datetime) -> Iterator[Due]:
    """The slots after `now`, and first, for a job that was never started, the one that its start would bring."""
    anchored = timetable.anchored(state.created_at if state else now)
    due = anchored.after(now) if state and not _is_armed(timetable, state) else anchored.first(now)
    while due is not None:
        yield due
        due = anchored.after(due.slot)


def remark_on(coming: Sequence[Due], timetable: Timetable, state: JobState | None, now: datetime) -> str | None:
    """What the slots do not tell by themselves."""
    if state is not None and state.pause_reason not in (None, FIRED):
        return f"the job is paused ({state.pause_reason}): none of these will run before it is resumed"
    if not coming:
        return "no slot to come: the one moment of the job has been, and `nexo-poller reset` arms it again"
    if not isinstance(timetable.schedule, At) or timetable.schedule.at > now:
        return None
    if timetable.misfire == "skip" and timetable.is_overdue(coming[0].slot, now):
        return "this moment has passed, and `misfire: skip` gives it up: the job will not run"
    return "this moment has passed: the job runs once, as soon as a daemon serves it"


def _is_armed(timetable: Timetable, state: JobState) -> bool:
    """Whether the job's one moment is still to be served, even if it is past (T8)."""
    return isinstance(timetable.schedule, At) and state.due is not None


def _find(config: Config, job_id: str) -> JobSpec:
    for rejected in config.rejected:
        if rejected.id == job_id:
            show(rejected.problems)
            raise Refused
    for job in config.jobs:
        if job.id == job_id:
            return job
    raise click.ClickException(str(JobUnknown(job_id, [job.id for job in config.jobs])))


def _as_json(due: Due, zone: ZoneInfo) -> dict[str, Any]:
    return {"slot": due.slot.astimezone(zone).isoformat(), "utc": _utc(due.slot), "starts_at": _utc(due.at)}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
