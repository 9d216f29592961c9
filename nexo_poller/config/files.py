"""From a path to a document: what may go wrong before there is any YAML to look at."""

import re
import stat
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import evolve

from nexo_poller.config.document import Document, LineMap, unreadable
from nexo_poller.errors import ConfigError, Problem

FILE_NAME: Final = "pollers.yaml"
MAX_BYTES: Final = 10 * 1024 * 1024
MAX_MANIFEST_BYTES: Final = 1024 * 1024
NEWLINE: Final = "\n"
SECTION: Final = r"^{key}:.*(\n([ \t#].*)?$)*"  # its own line, and what is indented, commented or blank below it
PARSED_HERE: Final = 256 * 1024  # characters that take about half a second (O4)


def fingerprint(file: Path) -> str:
    """The sha256, in hex, of what is in the file now; if there is nothing to read, some text that says why."""
    try:
        return _fingerprint(_content(file))
    except ConfigError as error:
        return str(error)


def read_document(file: Path) -> Document:
    """The parsed file. Whatever keeps it from being read is the one problem of a document without a value."""
    return _read(file, _parsed, MAX_BYTES)


def read_manifest(file: Path) -> Document:
    """Like `read_document`, of a plugin's TOML."""
    from nexo_poller.config.toml_text import parse_toml

    return _read(file, parse_toml, MAX_MANIFEST_BYTES)


def _read(file: Path, parse: Callable[[str, str], Document], at_most: int) -> Document:
    name = str(file)
    try:
        content = _content(file, at_most)
        text = _text(content, name)
    except ConfigError as error:
        return unreadable(name, *error.problems)
    return evolve(parse(text, name), fingerprint=_fingerprint(content))


def read_section(file: Path, key: str) -> Document:
    """The parsed file, of which only the section `key` is asked for; others may be missing.

    Where the lines of the section can be told from the rest, only they are parsed: ten thousand jobs take seconds.
    """
    name = str(file)
    try:
        text = _text(_content(file), name)
    except ConfigError as error:
        return unreadable(name, *error.problems)
    if key not in text:
        return Document(lines=LineMap(name))
    found = [*re.finditer(SECTION.format(key=key), text, re.MULTILINE)]
    if len(found) == 1:
        before = NEWLINE * text.count(NEWLINE, 0, found[0].start())  # so that all stays in its place
        document = _parsed(before + found[0][0], name)
        if not document.problems:
            return document
    return _parsed_once(text, name)


@lru_cache(maxsize=1)
def _parsed_once(text: str, name: str) -> Document:
    """Like `_parsed`, for those who ask again and again, such as a watch: it may take seconds."""
    return _parsed(text, name)


def _parsed(text: str, name: str) -> Document:
    if len(text) > PARSED_HERE:
        from nexo_poller.config.worker import parse_in_worker

        return parse_in_worker(text, name)
    from nexo_poller.config.yaml_text import parse_yaml

    return parse_yaml(text, name)


def _fingerprint(content: bytes) -> str:
    return sha256(content).hexdigest()


def _content(file: Path, at_most: int = MAX_BYTES) -> bytes:
    start = f"{file}:1:1"
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            remedy = f"give a file, or a folder that holds the file {FILE_NAME}"
            raise ConfigError(Problem(what="this is a folder", remedy=remedy, where=start))
        if not stat.S_ISREG(mode):
            raise ConfigError(Problem(what="this is no regular file", remedy="give the path of a file", where=start))
        with file.open("rb") as opened:
            content = opened.read(at_most + 1)
    except OSError as error:
        what, remedy = f"it cannot be read: {error.strerror}", "check the path and its permissions"
        raise ConfigError(Problem(what=what, remedy=remedy, where=start)) from error
    if len(content) > at_most:
        what, remedy = f"it has more than {at_most // 1024**2} MB", "make it smaller"
        raise ConfigError(Problem(what=what, remedy=remedy, where=start))
    return content


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        where = f"{name}:{before.count(NEWLINE) + 1}:{len(before) - before.rfind(NEWLINE)}"
        what, remedy = "it is not UTF-8 from here on", "save it as UTF-8"
        raise ConfigError(Problem(what=what, remedy=remedy, where=where)) from error
