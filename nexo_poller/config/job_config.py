"""A job's `config` as the poller of its kind wants it, in the daemon and in a plugin alike."""

from collections.abc import Mapping
from typing import Any, TypeVar

from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.poller import Poller

C = TypeVar("C")


def structure_config(config: Mapping[str, Any], poller: Poller[C]) -> C:
    """A job's `config` as its poller wants it. Raises `ConfigError` with every problem; keys are relative to `config`."""
    if not hasattr(poller, "config_type"):
        what = f"the kind '{poller.kind}' says nothing of its configs"
        remedy = f"give {type(poller).__name__} a `config_type`, such as a frozen attrs class"
        raise ConfigError(Problem(what=what, remedy=remedy))
    try:
        typed = structure(config, poller.config_type)
        poller.validate(typed)
    except ConfigError:
        raise
    except Exception as error:  # a poller's code is somebody else's, and its mistake must not stop the other jobs
        what = f"the kind '{poller.kind}' failed to check this config: {type(error).__name__}: {error}"
        raise ConfigError(Problem(what=what, remedy="report it to the author of the kind")) from error
    return typed
