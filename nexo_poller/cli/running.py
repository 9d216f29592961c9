"""From a configuration to a runner, and from a runner's errors to what a command says and exits with."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import click
import trio

from nexo_poller.cli.problems import show
from nexo_poller.config.model import Config
from nexo_poller.config.reading import load_config
from nexo_poller.errors import ConfigError, NexoPollerError
from nexo_poller.failures import leaves
from nexo_poller.logs import escape
from nexo_poller.masking import Mask, header_values

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class NoConfiguration(click.ClickException):
    """There is nothing at the path that was given."""

    exit_code = 2

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no configuration at '{path}' (name a pollers.yaml, or its folder, with --config)")


class Refused(click.exceptions.Exit):
    """The problems have been shown; nothing is left to say."""

    def __init__(self) -> None:
        super().__init__(1)


def load(path: Path) -> Config:
    """The configuration at `path`. Raises `NoConfiguration`, or shows every problem and raises `Refused`."""
    try:
        config = load_config(path)
    except ConfigError as error:
        show(error.problems)
        raise Refused from None
    if config is None:
        raise NoConfiguration(path)
    return config


def mask_of(config: Config) -> Mask:
    """Hides what is secret in this configuration (O2)."""
    return Mask([*config.secrets, *(value for job in config.jobs for value in header_values(job.config))])


def run(main: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """`trio.run`, with errors of this library's own as one line and exit code 1, and Ctrl-C as click has it."""
    try:
        return trio.run(main, *args)
    except (NexoPollerError, BaseExceptionGroup) as error:
        errors = list(leaves(error))
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in errors):
            raise KeyboardInterrupt from None
        if not all(isinstance(leaf, NexoPollerError) for leaf in errors):
            raise
        raise click.ClickException("; ".join(escape(str(leaf)) for leaf in errors)) from None
