"""`nexo-poller serve`: the daemon."""

import logging
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import click
import trio
from attrs import evolve

from nexo_poller.cli.options import config_option
from nexo_poller.cli.running import load, mask_of, run
from nexo_poller.logs import LEVELS, configure_logging
from nexo_poller.runner.runner import PollerRunner

STDOUT_FOR_ALL = {"*": "stdout"}

log = logging.getLogger(__name__)


@click.command("serve")
@config_option
@click.option("--log-level", default="info", show_default=True, type=click.Choice(LEVELS), help="Least level to log.")
@click.pass_context
def command(context: click.Context, path: Path, log_level: str) -> None:
    r"""Run the jobs of pollers.yaml until told to stop.

    Deliveries go where the file's `channels:` say, and without such a section to stdout, one JSON line an event. Logs
    go to stderr: sentences on a terminal, otherwise JSON lines. A job that is wrong is logged, and the others run.

    SIGTERM or SIGINT lets ticks and deliveries under way end, for up to 10 s; a second one stops at once, which loses
    nothing either.

    \b
    Exit codes:
      0    stopped by a signal
      1    the configuration was refused, or the database cannot be used
      2    there is no such path, or an option is wrong
      130  stopped at once by a second SIGINT (143: SIGTERM)
    """
    config = load(path)
    configure_logging(mask_of(config), log_level)
    for warning in config.warnings:
        log.warning("%s", warning)
    runner = PollerRunner(config if config.channels else evolve(config, channels=STDOUT_FOR_ALL))
    for problem in runner.register_installed():
        log.error("%s", problem)
    context.exit(run(serve_until_told, runner, config.settings.enabled))


async def serve_until_told(runner: PollerRunner, is_enabled: bool) -> int:
    """Serve until a signal asks to stop, and return the exit code."""
    stopping, at_once = trio.Event(), list[int]()

    async def hear_signals(*, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(SIGINT, SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if stopping.is_set():
                    at_once.append(number)
                    nursery.cancel_scope.cancel()
                log.info("%s: stopping; another one stops at once", Signals(number).name)
                stopping.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(hear_signals)
        if is_enabled:
            await nursery.start(runner.serve)
        else:
            log.warning("`pollers.enabled` is false: nothing runs; waiting for a signal")
        await stopping.wait()
        await runner.shutdown()
        nursery.cancel_scope.cancel()
    return 128 + at_once[0] if at_once else 0
