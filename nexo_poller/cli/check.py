"""`nexo-poller check`: everything that is wrong with a configuration."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from attrs import evolve

from nexo_poller.builtins import builtin_pollers
from nexo_poller.channels import check_channels
from nexo_poller.cli.options import config_option, json_option
from nexo_poller.cli.problems import show
from nexo_poller.cli.running import NoConfiguration
from nexo_poller.config.binding import check_reading
from nexo_poller.config.jobs import JOBS
from nexo_poller.config.model import Config
from nexo_poller.config.reading import Reading, read_config
from nexo_poller.errors import Problem
from nexo_poller.kinds import discover_pollers
from nexo_poller.words import counted

ERRORS, ONLY_WARNINGS = 1, 2


@click.command("check")
@config_option
@json_option
@click.option("--strict", is_flag=True, help="Let warnings count as errors.")
@click.pass_context
def command(context: click.Context, path: Path, as_json: bool, strict: bool) -> None:
    """Report every problem of pollers.yaml at once, each with its place and what to do.

    Problems go to stderr, a line each; with --json all of it is one object on stdout.

    \b
    Exit codes:
      0  clean
      1  errors (with --strict: or warnings)
      2  only warnings; or there is no such path
    """
    reading = read_config(path, now=datetime.now(UTC))
    if reading is None:
        raise NoConfiguration(path)
    discovery = discover_pollers()
    pollers = {poller.kind: poller for poller in (*builtin_pollers(), *discovery.pollers)}
    problems = [*discovery.problems, *check_reading(reading, pollers), *_channel_problems(reading)]
    if not problems and not reading.config.jobs:
        problems.append(_no_jobs(reading.config))
    errors = [problem for problem in problems if not problem.is_warning]
    if as_json:
        click.echo(json.dumps(_as_json(problems)))
    else:
        show(problems)
    if errors or (problems and strict):
        context.exit(ERRORS)
    if problems:
        context.exit(ONLY_WARNINGS)
    if not as_json:
        click.echo(f"{path}: {counted(len(reading.config.jobs), 'job')}, no problems")


def _no_jobs(config: Config) -> Problem:
    remedy = "list them below `pollers:`, `jobs:`, each with `id`, `kind`, `agent` and `schedule`"
    return Problem(
        what="there are no jobs: nothing would run", remedy=remedy, where=config.where(JOBS), is_warning=True
    )


def _channel_problems(reading: Reading) -> list[Problem]:
    config = reading.config
    return [evolve(problem, where=config.where(problem.key)) for problem in check_channels(config.channels)]


def _as_json(problems: Sequence[Problem]) -> dict[str, object]:
    def parts(problem: Problem) -> dict[str, str | None]:
        return {"where": problem.where, "job": problem.job, "what": problem.what, "remedy": problem.remedy}

    errors = [parts(problem) for problem in problems if not problem.is_warning]
    return {
        "ok": not errors,
        "errors": errors,
        "warnings": [parts(problem) for problem in problems if problem.is_warning],
    }
