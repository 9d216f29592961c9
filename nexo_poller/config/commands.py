"""The program that a manifest's `command` names: in its own folder, or else on the PATH. No shell ever looks at it."""

import os
import shutil
from pathlib import Path

from nexo_poller.errors import ConfigError, Problem


def program(command: str, folder: Path, path: str) -> str:
    """The absolute path of the program. A `command` with a slash in it is only looked for in `folder`.

    Links are left alone, for a program may go by the name it was called by. Raises `ConfigError` if there is none.
    """
    here = folder.absolute() / command
    if _is_program(here):
        return str(here)
    on_path = None if "/" in command else shutil.which(command, path=path)
    if on_path is not None:
        return str(Path(on_path).absolute())
    if _is_file(here):
        what, remedy = f"the command '{command}' is a file that cannot be executed", f"chmod +x {here}"
    elif "/" in command:
        what, remedy = f"there is no command '{command}' in the folder of this manifest", "check the path"
    else:
        what = f"there is no command '{command}', neither in the folder of this manifest nor on PATH"
        remedy = "install it, or write its path"
    raise ConfigError(Problem(what=what, remedy=remedy))


def _is_program(file: Path) -> bool:
    return _is_file(file) and os.access(file, os.X_OK)


def _is_file(file: Path) -> bool:
    return os.path.isfile(file)  # noqa: PTH113 - pathlib's raises for a name that is too long
