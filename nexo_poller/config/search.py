"""Which manifests there are: search paths in, files out, and what kept a folder from being looked at.

A search path is a pattern as shells have it: `*`, `?` and `[…]` stand for parts of a name that does not begin with a
dot, `**` for any folders. What it finds counts if it is a `*.toml`, or a folder that has a `nexo-plugin.toml`.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, TypeVar

from attrs import define, field, frozen

from nexo_poller.config.problems import Key
from nexo_poller.errors import Problem

T = TypeVar("T")
MANIFEST: Final = "nexo-plugin.toml"
DEFAULT: Final = ("./plugins/*/nexo-plugin.toml",)
WILD: Final = re.compile(r"[*?\[]")
SEARCH_PATHS: Final[Key] = ("plugins", "search_paths")


@frozen(kw_only=True)
class Found:
    """Manifests, each once, in the order of the search paths and then of their names. Problems have keys and no place."""

    files: tuple[Path, ...]
    refusals: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def find_manifests(folder: Path, search_paths: Sequence[str] | None) -> Found:
    """What `search_paths`, relative to `folder`, lead to; None: the default, which may lead nowhere."""
    found: dict[Path, Path] = {}
    refusals: list[Problem] = []
    warnings: list[Problem] = []
    for n, search_path in enumerate(DEFAULT if search_paths is None else search_paths):
        search = _Search()
        files = [*search.manifests(folder, Path(search_path).parts)]
        key = (*SEARCH_PATHS, n)
        refusals += (
            Problem(what=f"'{path}' cannot be looked at: {why}", remedy="check its permissions", key=key)
            for path, why in search.unreadable.items()
        )
        if not files and not search.unreadable and search_paths is not None:
            what = f"the search path '{search_path}' leads to no plugin"
            remedy = f"name folders that have a {MANIFEST}, or remove it"
            warnings.append(Problem(what=what, remedy=remedy, key=key, is_warning=True))
        for file in files:
            found.setdefault(_identity(file), file)
    return Found(files=tuple(found.values()), refusals=tuple(refusals), warnings=tuple(warnings))


def _identity(file: Path) -> Path:
    try:
        return file.resolve()
    except (OSError, RuntimeError):  # the latter is how some versions of Python call a ring of links
        return file


@define(eq=False)
class _Search:
    """One search path on its way through the folders. What is not there is passed over, what does not tell is noted."""

    unreadable: dict[Path, str] = field(factory=dict, init=False)

    def manifests(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        for match in self._matches(folder, parts):
            if self._is_folder(match):
                if self._is_there(match / MANIFEST):
                    yield match / MANIFEST
            elif match.suffix == ".toml":
                yield match

    def _matches(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        if not parts:
            yield folder
            return
        first, *rest = parts
        if first == "**":
            yield from self._matches(folder, rest)
            for name in self._names(folder):
                inner = folder / name
                if not name.startswith(".") and self._is_folder(inner) and not inner.is_symlink():  # which may go round
                    yield from self._matches(inner, parts)
        elif WILD.search(first):
            for name in self._names(folder):
                if fnmatchcase(name, first) and (first.startswith(".") or not name.startswith(".")):
                    yield from self._matches(folder / name, rest)
        elif self._is_there(folder / first):
            yield from self._matches(folder / first, rest)

    def _names(self, folder: Path) -> list[str]:
        return sorted(self._asked(os.listdir, folder) or ())

    def _is_there(self, path: Path) -> bool:
        return self._asked(os.lstat, path) is not None

    def _is_folder(self, path: Path) -> bool:
        status = self._asked(os.stat, path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def _asked(self, ask: Callable[[Path], T], path: Path) -> T | None:
        try:
            return ask(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.unreadable[path] = str(error.strerror)
            return None
