"""Counting that fails nothing: a tick must neither fail nor be repeated because nobody could count it."""

import logging
from collections.abc import Callable
from typing import Final

from attrs import Factory, define

from nexo_poller.failures import LONGEST_ERROR, describe
from nexo_poller.masking import Mask
from nexo_poller.runner.metrics import Metrics

MOST_COMPLAINTS: Final = 100  # different ones; a poller that puts an id into a name must not fill the log

log = logging.getLogger(__name__)


@define(eq=False)
class Counting:
    """Hands what happens to `metrics`. What that raises is logged, the same words once, and goes no further."""

    metrics: Metrics
    mask: Mask
    _complaints: set[str] = Factory(set)

    def __call__(self, about: str, count: Callable[[Metrics], None]) -> None:
        """Do `count`. `about` says for whom, in the log."""
        try:
            count(self.metrics)
        except Exception as error:  # noqa: BLE001 - an embedder's metrics, a poller's values: anything may come
            self._complain(about, f"{type(error).__name__}: {describe(error)}")

    def _complain(self, about: str, error: str) -> None:
        if error not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(error)
            log.error("%s: not counted, and not said again: %s", about, self.mask(error)[:LONGEST_ERROR])
