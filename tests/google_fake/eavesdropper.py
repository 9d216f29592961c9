"""Whatever is logged while a fake runs, to be searched for what must never be logged (O2)."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from nexo_poller.logs import QUIET_LOGGERS


class Eavesdropper(logging.Handler):
    """Keeps every record at DEBUG and above, with its fields and its traceback, but for those that `serve` keeps quiet."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if record.name.partition(".")[0] not in QUIET_LOGGERS:
            fields = getattr(record, "fields", "")
            self.heard.append(f"{logging.Formatter().format(record)} {fields}")

    def betrayed(self, secrets: Iterable[str]) -> list[str]:
        """The records that have one of the secrets in them."""
        wanted = list(secrets)
        return [text for text in self.heard if any(secret in text for secret in wanted)]


@contextmanager
def eavesdropping() -> Iterator[Eavesdropper]:
    """Hear all of the log during the block."""
    root, found = logging.getLogger(), Eavesdropper()
    level = root.level
    root.addHandler(found)
    root.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        root.setLevel(level)
        root.removeHandler(found)
