"""Which files make up a configuration: the one that was named, and those of older programs beside a `pollers.yaml`.

    pollers.yaml               everything may stand here
    agents.yaml, agents.d/*    `agents:`
    plugins/google-auth.yaml   `google_auth:`
    llm.yaml                   `providers:` and `retry:`
    plugins/gmail-poller.yaml  jobs of a program that is no more

A file of any other name stands alone. The manifests of plugins belong to every file, wherever its search paths lead.
Hidden files are left alone: editors put drafts and locks beside what they edit.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from nexo_poller.config import files
from nexo_poller.config.files import FILE_NAME
from nexo_poller.config.interpolation import Interpolation
from nexo_poller.config.manifests import fingerprints_of
from nexo_poller.config.sections import PluginsSection
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError

AGENTS: Final = "agents.yaml"
MORE_AGENTS: Final = "agents.d"
OTHERS: Final = ("plugins/google-auth.yaml", "llm.yaml")
SUFFIX: Final = ".yaml"
OLD_GMAIL: Final = "plugins/gmail-poller.yaml"
PLUGINS: Final = "plugins"  # the section with the search paths


def find_file(path: Path) -> Path | None:
    """The configuration file at `path`, or in the folder `path`; None if there is none (R2).

    A folder that has an old `gmail-poller.yaml` counts as one whose `pollers.yaml` is empty.
    """
    try:
        file = path / FILE_NAME if path.is_dir() else path
        return file if file.exists() or (path.is_dir() and old_gmail(file)) else None
    except OSError:
        return path  # reading it will tell why


def fingerprint(path: Path, env: Mapping[str, str] = os.environ) -> str:
    """The `Config.fingerprint` of what is at `path` now; where there is nothing to read, some text that says so."""
    file = find_file(path)
    if file is None:
        return "there is none"
    parts = map(files.fingerprint, (file, *agent_files(file), *other_files(file), *_beside(file, OLD_GMAIL)))
    return joint([*parts, *_of_plugins(file, env)])


def _of_plugins(file: Path, env: Mapping[str, str]) -> Iterator[str]:
    """The fingerprints of the manifests that a configuration in `file` leads to; none if nobody can tell."""
    document = files.read_section(file, PLUGINS)
    section = document.value.get(PLUGINS) if isinstance(document.value, Mapping) else None
    try:
        read = structure(Interpolation(env=env, folder=file.parent).resolve(section or {}), PluginsSection)
    except ConfigError:
        return iter(())
    return fingerprints_of(file.parent, read.search_paths)


def joint(fingerprints: Iterable[str]) -> str:
    """The fingerprint of several files together; of one file, its own."""
    first, *others = fingerprints
    return sha256("\n".join([first, *others]).encode()).hexdigest() if others else first


def agent_files(file: Path) -> Iterator[Path]:
    """The files beside `file` that list agents, in the order of their names."""
    yield from _beside(file, AGENTS)
    if file.name == FILE_NAME:
        yield from _listed(file.parent / MORE_AGENTS)


def other_files(file: Path) -> Iterator[Path]:
    """The files beside `file` that list Google accounts and providers."""
    return _beside(file, *OTHERS)


def old_gmail(file: Path) -> Path | None:
    """The old file with Gmail jobs beside `file`."""
    return next(_beside(file, OLD_GMAIL), None)


def _beside(file: Path, *names: str) -> Iterator[Path]:
    if file.name == FILE_NAME:
        yield from (file.parent / name for name in names if _is_there(file.parent / name))


def _is_there(file: Path) -> bool:
    """Whether there is something, be it a link that leads nowhere; if that cannot be told, reading it will tell why."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == SUFFIX and not file.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        return [folder / f"*{SUFFIX}"]  # reading it will tell why
