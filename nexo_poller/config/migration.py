"""Moving the jobs of an old `gmail-poller.yaml` into `pollers.yaml`, whose comments and other lines stay.

What was `${…}` stays so; only the paths of `${file:…}` change, since they are relative to another folder now. The new
text is read again before anybody sees it: every job in it must be what it was.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString
from ruamel.yaml.util import load_yaml_guess_indent

from nexo_poller.config.files import read_document
from nexo_poller.config.folder import find_file, old_gmail
from nexo_poller.config.interpolation import Interpolation
from nexo_poller.config.jobs import job_entries, read_jobs
from nexo_poller.config.model import Config, JobSpec
from nexo_poller.config.old_gmail import DEFAULT_SECS, JOBS, ONLY_ACCOUNT, OldFile, job_entry, translate
from nexo_poller.config.reading import read_config
from nexo_poller.config.source import read_source
from nexo_poller.config.structuring import structure
from nexo_poller.config.yaml_text import parse_yaml
from nexo_poller.errors import ConfigError, Problem

NO_FOLDING: Final = 1_000_000
_INDENTED: Final = re.compile(r"^( +)[^\s#-]", re.MULTILINE)
_COMMENT: Final = re.compile(r"(?<!\S)#[^\r\n]*")
_FILE: Final = re.compile(r"(?P<before>(?<!\$)\$\{file:)(?!/)")


@frozen(kw_only=True)
class Migration:
    """`file` before and after; `ids` are the jobs that are new in it. Nothing is written yet.

    `left` are the old jobs that do not run, by their names, and so stay where they are.
    """

    file: Path
    old_file: Path
    before: str
    after: str
    ids: tuple[str, ...]
    left: tuple[str, ...]
    config: Config = field(repr=False)


def migration(path: Path, env: Mapping[str, str] = os.environ) -> Migration | None:
    """What would move; None if there is no configuration at `path`, or no old file beside it.

    Raises `ConfigError` with every problem if the configuration is refused, or cannot be rewritten.
    """
    file = find_file(path)
    old_file = None if file is None else old_gmail(file)
    reading = None if old_file is None else read_config(path, env)
    if file is None or old_file is None or reading is None:
        return None
    config = reading.accepted()
    before = file.read_bytes().decode("utf-8-sig") if file.exists() else ""
    moving = [job for job in config.jobs if job.key[: len(JOBS)] == JOBS]
    entries = [*_entries(moving, old_file, env)]
    after = _with_jobs(before, entries) if entries else before
    migrated = Migration(
        file=file,
        old_file=old_file,
        before=before,
        after=after,
        ids=tuple(job.id for job in moving),
        left=_left(config, old_file, env),
        config=config,
    )
    _check(migrated, env)
    return migrated


def write_text(file: Path, text: str) -> None:
    """Replace the file's text: whoever reads it sees the old or the new, and a crash leaves one of them."""
    file = file.resolve()
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)  # a crash may have left one
    try:
        with draft.open("x", encoding="utf-8", newline="") as opened:
            if file.exists():
                old = file.stat()
                with suppress(PermissionError):  # whoever may not give files away owns the new one
                    os.fchown(opened.fileno(), old.st_uid, old.st_gid)
                os.fchmod(opened.fileno(), old.st_mode)
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _left(config: Config, old_file: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    section = structure(read_source(old_file, env).value, OldFile).section
    running = {job.id for job in config.jobs}
    return tuple(old.name for old in translate(section) if old.id not in running)


def _entries(moving: list[JobSpec], old_file: Path, env: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The entries of `jobs:`, with every `${…}` as it was."""
    raw, resolved = read_document(old_file).value["gmail_poller"], read_source(old_file, env).value["gmail_poller"]
    agents = {
        account["id"]: written.get("agent_id") or written["id"]
        for account, written in zip(resolved.get("accounts") or (), raw.get("accounts") or (), strict=True)
    }
    for job in moving:
        n = job.key[len(JOBS)]
        agent = agents.get(resolved["jobs"][n].get("account", ONLY_ACCOUNT), job.agent)
        entry = job_entry(raw["jobs"][n], job.id, agent, raw.get("interval_secs", DEFAULT_SECS))
        yield _moved(entry, old_file.parent.name)


def _moved(value: Any, folder: str) -> Any:
    """`value` as it must be written one folder above `folder`."""
    match value:
        case dict():
            return {key: _moved(inner, folder) for key, inner in value.items()}
        case list():
            return [_moved(inner, folder) for inner in value]
        case str():
            text = _FILE.sub(rf"\g<before>{folder}/", value)
            return LiteralScalarString(text) if "\n" in text else text
        case _:
            return value


def _with_jobs(text: str, entries: list[dict[str, Any]]) -> str:
    """`text` with these entries at the end of its jobs, and lines that end as they did."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = NO_FOLDING
    newline, text = ("\r\n" if "\r\n" in text else "\n"), text.replace("\r\n", "\n")
    document, sequence, offset = load_yaml_guess_indent(text, yaml=yaml)
    mapping = _INDENTED.search(text)
    if offset is not None and offset >= 0:
        yaml.indent(sequence=sequence, offset=offset)
    yaml.indent(mapping=len(mapping[1]) if mapping else 2)
    stream = StringIO()
    if document is None:  # there is no value that the comments could belong to
        document = {}
        stream.write(text if not text or text.endswith("\n") else f"{text}\n")
    if not document.get("pollers"):
        document["pollers"] = {}
    if not document["pollers"].get("jobs"):
        document["pollers"]["jobs"] = []
    document["pollers"]["jobs"].extend(entries)
    yaml.dump(document, stream)
    return stream.getvalue().replace("\n", newline)


def _check(migrated: Migration, env: Mapping[str, str]) -> None:
    """Raise `ConfigError` unless the new text says what was said before, and has the old jobs as they run now.

    What looks like a comment inside a text counts as one: it stays as well.
    """
    interpolation = Interpolation(env=env, folder=migrated.file.parent)
    before, after = (
        interpolation.resolve(parse_yaml(text, str(migrated.file)).value or {})
        for text in (migrated.before, migrated.after)
    )
    now = {entry.id: entry.spec for entry in read_jobs(job_entries(after), ())}
    if _but_for_jobs(before) != _but_for_jobs(after) or any(now.get(job.id) != job for job in migrated.config.jobs):
        raise _by_hand(migrated, "it cannot be rewritten without changing what it says")
    if _comments(migrated.before) - _comments(migrated.after):
        raise _by_hand(migrated, "it cannot be rewritten without losing a comment")


def _comments(text: str) -> Counter[str]:
    return Counter(map(str.strip, _COMMENT.findall(text)))


def _by_hand(migrated: Migration, what: str) -> ConfigError:
    remedy = f"write the jobs of {migrated.old_file} into it by hand"
    return ConfigError(Problem(what=what, remedy=remedy, where=f"{migrated.file}:1:1"))


def _but_for_jobs(value: Mapping[str, Any]) -> dict[str, Any]:
    return {**value, "pollers": {key: inner for key, inner in (value.get("pollers") or {}).items() if key != "jobs"}}
