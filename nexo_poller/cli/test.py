"""`nexo-poller test ID`: one tick that changes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
from attrs import evolve

from nexo_poller.cli.messages import lines_of, summary
from nexo_poller.cli.options import config_option, json_option
from nexo_poller.cli.problems import show
from nexo_poller.cli.running import load, mask_of, run
from nexo_poller.config.model import Config
from nexo_poller.errors import JobUnknown
from nexo_poller.logs import configure_logging, escape
from nexo_poller.runner.outcome import DryRun
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.store.sqlite import SqliteStore

CURSOR_SHOWN: Final = 200  # characters


@click.command("test")
@click.argument("job_id", metavar="ID")
@config_option
@json_option
@click.pass_context
def command(context: click.Context, job_id: str, path: Path, as_json: bool) -> None:
    """Run one tick of the job ID and show what it would do. Nothing is sent or saved.

    The tick starts from the cursor in the database, if there is one. No daemon is needed, and a running one is not
    disturbed. Exits with 1 if the tick fails, or if the job does not run because it is wrong.
    """
    config = load(path)
    configure_logging(mask_of(config), "warning")
    known = [*(job.id for job in config.jobs), *(job.id for job in config.rejected)]
    if job_id not in known:
        raise click.ClickException(str(JobUnknown(job_id, known)))
    with TemporaryDirectory() as nowhere:
        state_db = config.settings.state_db
        store = SqliteStore(state_db if state_db.exists() else Path(nowhere, "poller.db"))
        runner = PollerRunner(only(job_id, config), store=store)
        show(runner.register_installed())
        dry_run = run(try_out, runner, job_id)
    for line in [json.dumps(_as_json(job_id, dry_run))] if as_json else _as_text(dry_run):
        click.echo(line)
    context.exit(0 if dry_run.error is None else 1)


async def try_out(runner: PollerRunner, job_id: str) -> DryRun:
    """One dry tick of the job."""
    async with runner.opened():
        return await runner.dry_run(job_id)


def only(job_id: str, config: Config) -> Config:
    """The configuration of this one job, without channels: nothing else is opened, or complained of."""
    agents = {job.agent for job in config.jobs if job.id == job_id}
    kinds = {job.kind for job in config.jobs if job.id == job_id}
    return evolve(
        config,
        agents=config.agents and {agent: bound for agent, bound in config.agents.items() if agent in agents},
        google_accounts=tuple(account for account in config.google_accounts if account.agent_id in agents),
        jobs=tuple(job for job in config.jobs if job.id == job_id),
        rejected=tuple(job for job in config.rejected if job.id == job_id),
        channels={},
        plugins=tuple(plugin for plugin in config.plugins if kinds.intersection(plugin.kinds)),
    )


def _as_json(job_id: str, dry_run: DryRun) -> dict[str, Any]:
    return {
        "job": job_id,
        "status": dry_run.status,
        "items_seen": dry_run.items_seen,
        "items_dispatched": dry_run.items_dispatched,
        "messages": [
            {
                "topic": outgoing.message.topic,
                "payload": json.loads(outgoing.message.body)["payload"],
                "not_before": outgoing.not_before and outgoing.not_before.isoformat(),
            }
            for outgoing in dry_run.outgoing
        ],
        "cursor_before": _text(dry_run.cursor_before),
        "cursor_after": _text(dry_run.cursor_after),
        "error": dry_run.error,
    }


def _as_text(dry_run: DryRun) -> Iterator[str]:
    if dry_run.error is not None:
        yield escape(f"the tick failed: {dry_run.error}")
        return
    yield summary(dry_run.items_seen, len(dry_run.outgoing), "would be sent")
    yield from lines_of(
        (outgoing.message.topic, json.loads(outgoing.message.body)["payload"]) for outgoing in dry_run.outgoing
    )
    if dry_run.cursor_before == dry_run.cursor_after:
        yield "the cursor would stay as it is"
    else:
        yield f"the cursor is        {_shown(dry_run.cursor_before)}"
        yield f"it would change to   {_shown(dry_run.cursor_after)}"


def _shown(cursor: bytes | None) -> str:
    text = _text(cursor)
    if text is None:
        return "(none)"
    return escape(text) if len(text) <= CURSOR_SHOWN else f"{escape(text[:CURSOR_SHOWN])}… ({len(text)} characters)"


def _text(cursor: bytes | None) -> str | None:
    return None if cursor is None else cursor.decode(errors="backslashreplace")
