"""Kinds that come with other distributions, through the entry-point group `nexo_poller.pollers`.

    [project.entry-points."nexo_poller.pollers"]
    jira = "acme_pollers.jira:JiraPoller"

An entry point names a `Poller` subclass that needs no arguments, or an instance.
"""

from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from attrs import frozen

from nexo_poller.errors import Problem
from nexo_poller.poller import Poller, checked_poller

GROUP: Final = "nexo_poller.pollers"


@frozen
class Discovery:
    """The pollers that could be loaded, in the order of their entry points' names, and what is wrong with the others."""

    pollers: Sequence[Poller[Any]]
    problems: Sequence[Problem]


def discover_pollers(installed: Iterable[EntryPoint] | None = None) -> Discovery:
    """The pollers of all installed distributions. One that is broken is a problem, and hides no other."""
    pollers: list[Poller[Any]] = []
    problems: list[Problem] = []
    found = entry_points(group=GROUP) if installed is None else installed
    for entry_point in sorted(found, key=lambda entry_point: (entry_point.name, entry_point.value)):
        try:
            loaded = entry_point.load()
            is_class = isinstance(loaded, type) and issubclass(loaded, Poller)
            pollers.append(checked_poller(loaded() if is_class else loaded))
        except Exception as error:  # noqa: BLE001 - importing it runs somebody else's code
            problems.append(_problem(entry_point, error))
    return Discovery(pollers, problems)


def _problem(entry_point: EntryPoint, error: Exception) -> Problem:
    origin = f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else "an unknown distribution"
    return Problem(
        what=f"the poller '{entry_point.name}' of {origin} cannot be loaded: {type(error).__name__}: {error}",
        remedy=f"its entry point is '{entry_point.value}' in the group {GROUP}; upgrade or remove the distribution",
    )
