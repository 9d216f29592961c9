r"""Log records for people and machines: one record, one line, nothing secret, nothing that a terminal would obey.

What comes from outside (a feed's title, a server's error page) ends up in log records. So every text is masked first
and then escaped: line breaks, escape sequences and characters that turn the reading direction stay visible as `\n`,
`\x1b`, `\u202e`. Extra facts travel as `extra={"fields": {...}}`, or as extra attributes of the record.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from attrs import frozen

from nexo_poller.failures import leaves
from nexo_poller.masking import masked_json

Mask = Callable[[str], str]
LEVELS: Final = ("debug", "info", "warning", "error")
QUIET_LOGGERS: Final = (  # at INFO and below they write whole URLs, or what servers send
    *("apprise", "httpcore", "httpx"),
    *("anthropic", "httpcore2", "httpx2", "openai"),
)

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "fields"}


def configure_logging(mask: Mask, level: str = "info", stream: TextIO | None = None) -> None:
    """Send every record from `level` on to `stream` (stderr), for people if that is a terminal, else as JSON lines.

    `mask` removes secrets from any text. Replaces what was configured before; Python's warnings become records too.
    """
    stream = stream or sys.stderr
    handler = _Handler(stream)
    handler.setFormatter(HumanFormatter(mask) if stream.isatty() else JsonFormatter(mask))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def escape(text: str) -> str:
    """`text` on one line, with every character visible that would move a cursor, start a line or turn the direction."""
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    point = ord(character)
    return _SHORT.get(character) or (f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}")  # noqa: PLR2004 - a byte


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message"}`, and `fields` and `exception` where there are any. Pure ASCII."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object without a line break."""
        facts = _facts(record, self._mask)
        line: dict[str, Any] = {
            "time": facts.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": facts.message,
        }
        if facts.fields:
            line["fields"] = facts.fields
        if facts.error is not None:
            line["exception"] = "\n".join(
                self._mask("".join(traceback.format_exception(leaf))) for leaf in leaves(facts.error)
            )
        return json.dumps(line).replace("\x7f", "\\u007f")


class HumanFormatter(logging.Formatter):
    """`12:03:45 WARNING nexo_poller.runner: message key=value (KeyError: 'x' at jira.py:12)`, local time."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """One line; of an exception only what and where, as the JSON form has it whole."""
        facts = _facts(record, self._mask)
        parts = [f"{facts.time.astimezone():%H:%M:%S} {record.levelname:7} {record.name}: {facts.message}"]
        parts += [f"{name}={value}" for name, value in facts.fields.items()]
        if facts.error is not None:
            parts.append(f"({'; '.join(_summary(leaf, self._mask) for leaf in leaves(facts.error))})")
        return escape(" ".join(parts))


@frozen(kw_only=True)
class _Facts:
    """What both forms show of a record, masked, not yet escaped."""

    time: datetime
    message: str
    fields: Mapping[str, Any]
    error: BaseException | None


def _facts(record: logging.LogRecord, mask: Mask) -> _Facts:
    given = getattr(record, "fields", None)
    others = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    fields = {**others, **(given if isinstance(given, Mapping) else {})}
    return _Facts(
        time=datetime.fromtimestamp(record.created, UTC),
        message=mask(record.getMessage()),
        fields={mask(str(name)): masked_json(value, mask) for name, value in fields.items()},
        error=record.exc_info[1] if record.exc_info else None,
    )


def _summary(error: BaseException, mask: Mask) -> str:
    """What went wrong and where."""
    what = mask("".join(traceback.format_exception_only(error))).strip()
    frames = traceback.extract_tb(error.__traceback__)
    return f"{what} at {frames[-1].filename}:{frames[-1].lineno}" if frames else what


class _Handler(logging.StreamHandler[TextIO]):
    """Says that a record could not be written, where the standard handler would print its parts unmasked."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Called with the error at hand; nothing here may raise."""
        try:
            self.stream.write(f"a log record of {record.pathname}:{record.lineno} could not be written\n")
        except (OSError, ValueError):
            return  # stderr itself is gone
