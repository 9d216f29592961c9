"""`nexo-poller serve`: the daemon."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, Signals, signal

import click
import trio
from attrs import evolve

from nexo_poller.cli.options import config_option, read_bind
from nexo_poller.cli.reloading import Reloading
from nexo_poller.cli.running import load, run
from nexo_poller.config.binds import Bind
from nexo_poller.config.folder import fingerprint
from nexo_poller.config.model import AdminSettings, Config
from nexo_poller.config.reading import load_config
from nexo_poller.logs import LEVELS, configure_logging
from nexo_poller.runner.prometheus import PrometheusMetrics
from nexo_poller.runner.runner import PollerRunner

Chore = Callable[[], Awaitable[None]]
STDOUT_FOR_ALL = {"*": "stdout"}

log = logging.getLogger(__name__)


@click.command("serve")
@config_option
@click.option("--log-level", default="info", show_default=True, type=click.Choice(LEVELS), help="Least level to log.")
@click.option(
    "--admin",
    "bind",
    metavar="ADDRESS",
    callback=read_bind,
    help="HOST:PORT or unix:PATH to serve the admin page and interface on.  [default: the file's, or 127.0.0.1:9091]",
)
@click.option("--no-admin", is_flag=True, help="Serve no admin page and interface.")
@click.option("--watch", "watched", is_flag=True, help="Reload whenever the content of the file changes.")
@click.pass_context
def command(  # noqa: PLR0913, PLR0917 - the options
    context: click.Context, path: Path, log_level: str, bind: Bind | None, no_admin: bool, watched: bool
) -> None:
    """Run the jobs of pollers.yaml until told to stop.

    Deliveries go where the file's `channels:` say, and without such a section to stdout, one JSON line an event. Logs
    go to stderr: sentences on a terminal, otherwise JSON lines. A job that is wrong is logged, and the others run.

    The admin page, and what `nexo-poller list` and its siblings speak to, are on 127.0.0.1:9091 unless `admin:` in the
    file or --admin say otherwise.

    SIGHUP reads the file again and exchanges the jobs that differ, all or none; with --watch, so does a change of the
    file that has settled for 2 s, unless it would remove jobs: that takes `nexo-poller reload`, or a SIGHUP.

    SIGTERM or SIGINT lets ticks and deliveries under way end, for up to 10 s; a second one stops at once, which loses
    nothing either.

    \b
    Exit codes:
      0    stopped by a signal
      1    the configuration was refused, the database cannot be used, or the admin
           server cannot listen
      2    there is no such path, or an option is wrong
      130  stopped at once by a second SIGINT (143: SIGTERM)
    """
    signal(SIGHUP, SIG_IGN)  # until it is heard: whoever sends it early wants the file read, which is about to happen
    config = load(path)
    runner = PollerRunner(with_channels(config), metrics=PrometheusMetrics())

    def mask(text: str) -> str:
        return runner.mask(text)  # which a reload exchanges

    configure_logging(mask, log_level)
    for warning in config.warnings:
        log.warning("%s", warning)
    runner.source = partial(read_again, path)
    for problem in runner.register_installed():
        log.error("%s", problem)
    admin = None if no_admin else evolve(config.admin, bind=bind or config.admin.bind)
    look = partial(trio.to_thread.run_sync, partial(fingerprint, path), abandon_on_cancel=True)
    reloading = Reloading(runner, look)
    watch = reloading.watch if watched else trio.sleep_forever
    context.exit(run(serve_until_told, runner, admin if config.settings.enabled else None, reloading.reload, watch))


def with_channels(config: Config) -> Config:
    """`config`, with everything on stdout if nothing else delivers."""
    return config if config.channels or config.broker.type != "local" else evolve(config, channels=STDOUT_FOR_ALL)


def read_again(path: Path) -> Config | None:
    """The file as it is now; None: it is gone. Raises `ConfigError`."""
    config = load_config(path)
    return None if config is None else with_channels(config)


async def serve_until_told(runner: PollerRunner, admin: AdminSettings | None, reload: Chore, watch: Chore) -> int:
    """Serve until a signal asks to stop, and return the exit code; `reload` at a SIGHUP, and `watch` all the time."""
    stopping, at_once = trio.Event(), list[int]()

    async def hear_signals(*, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(SIGHUP, SIGINT, SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if number == SIGHUP:
                    nursery.start_soon(reload)
                    continue
                if stopping.is_set():
                    at_once.append(number)
                    nursery.cancel_scope.cancel()
                log.info("%s: stopping; another one stops at once", Signals(number).name)
                stopping.set()

    async with admin_or_nothing(runner, admin), trio.open_nursery() as nursery:
        await nursery.start(hear_signals)
        await nursery.start(runner.serve)
        async with trio.open_nursery() as watching:
            if runner.is_serving:
                watching.start_soon(watch)
            else:
                log.warning("`pollers.enabled` is false: nothing runs; waiting for a signal")
            await stopping.wait()
            watching.cancel_scope.cancel()
        await runner.shutdown()
        nursery.cancel_scope.cancel()
    return 128 + at_once[0] if at_once else 0


def admin_or_nothing(runner: PollerRunner, admin: AdminSettings | None) -> AbstractAsyncContextManager[object]:
    """The admin server, during a block; None: a block and no more."""
    if admin is None:
        return nullcontext()
    from nexo_poller.admin.standalone import admin_server

    return admin_server(runner, admin)
