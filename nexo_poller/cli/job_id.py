"""The argument ID of commands that speak to a daemon: what a job may be called, completed from what there is."""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, Final
from urllib.parse import quote

import click
import trio
from click.shell_completion import CompletionItem

from nexo_poller.cli.daemon import Daemon
from nexo_poller.cli.finding import find_daemon
from nexo_poller.cli.running import run
from nexo_poller.config.names import JOB_ID, RESERVED_IDS

COMPLETION_SECS: Final = 2.0  # longer than that nobody waits for a key to do something


class JobId(click.ParamType[str]):
    """A text that a job may have as its id."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuses what would lead to other paths of the admin interface than a job's."""
        if not JOB_ID.fullmatch(value) or value in RESERVED_IDS:
            self.fail(f"'{value}' cannot be the id of a job", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The ids of the daemon's jobs; none if it does not answer soon, or not at all."""
        with redirect_stderr(StringIO()):  # what is said now would land in the middle of the command line
            try:
                daemon = find_daemon(ctx, ctx.params.get("address"), ctx.params.get("path"))
                jobs = run(jobs_soon, daemon)
            except (click.ClickException, click.exceptions.Exit):
                return []
        return [CompletionItem(job["id"], help=job["kind"]) for job in jobs if job["id"].startswith(incomplete)]


async def jobs_soon(daemon: Daemon) -> Sequence[Mapping[str, Any]]:
    """The jobs, if they come before who asks has lost patience."""
    with trio.move_on_after(COMPLETION_SECS):
        async with daemon.connected() as connection:
            jobs: Sequence[Mapping[str, Any]] = await connection.ask("GET", "/admin/pollers")
            return jobs
    return ()


job_argument: Final = click.argument("job_id", metavar="ID", type=JobId())


def job_path(job_id: str, *more: str) -> str:
    """The path of a job in the admin interface, or of something below it."""
    return "/".join(("/admin/pollers", quote(job_id, safe=""), *more))
