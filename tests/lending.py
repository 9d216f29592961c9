"""A fresh environment for the built wheel, in seconds: what PyPI would have is lent by the environment of the tests.

Lent is exactly what the wheel and its extra ask for, with what that needs in turn. So `pip install` finds everything there
without an index, a requirement that pyproject.toml forgot is as missing as for a user, and only our own wheel is installed.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

from attrs import frozen
from command import ROOT
from packaging.requirements import Requirement

OURS: Final = "nexo-poller"
BUILDERS: Final = ("hatchling", "editables")  # of the package that `nexo-poller new` writes
SITE: Final = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
PYTEST: Final = "#!{python}\nimport pytest\nraise SystemExit(pytest.console_main())\n"


@frozen
class Lent:
    """`folder` has links to what `extra` needs, `wheels` our wheel."""

    folder: Path
    wheels: Path

    def to(self, environment: Path) -> None:
        """Make `python -m venv` find what it lends where it is about to make `environment`, and the command of pytest."""
        site, scripts = environment / SITE, environment / "bin"
        site.mkdir(parents=True)
        scripts.mkdir()
        site.joinpath("lent.pth").write_text(f"{self.folder}\n")
        scripts.joinpath("pytest").write_text(PYTEST.format(python=scripts / "python"))
        scripts.joinpath("pytest").chmod(0o755)

    def variables(self, environment: Path, path: str) -> dict[str, str]:
        """The environment's variables once it is activated: pip asks nobody, and builds with what is there."""
        return {
            "PATH": f"{environment / 'bin'}:{path}",
            "PYTHONPATH": "",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_NO_COMPILE": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # which is pip's way to say: do not isolate
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }


def lend(folder: Path, extra: str) -> Lent:
    """Build the wheel, and link to all that its `extra` needs."""
    lent = Lent(folder / "lent", folder / "wheels")
    lent.folder.mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(lent.wheels)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wanted = [Requirement(f"{OURS}[{extra}]"), *map(Requirement, BUILDERS)]
    for place in {place for part in needed(wanted) if part.name != OURS for place in places(part)}:
        lent.folder.joinpath(place.name).symlink_to(place)
    return lent


def needed(wanted: Iterable[Requirement]) -> Iterator[Distribution]:
    """Each installed distribution that these requirements lead to, once."""
    told, given = set[tuple[str, str]](), set[str]()
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        part = distribution(requirement.name)
        for extra in {"", *requirement.extras}:
            if (part.name, extra) not in told:
                told.add((part.name, extra))
                inner = map(Requirement, part.requires or ())
                waiting += [one for one in inner if one.marker is None or one.marker.evaluate({"extra": extra})]
        if part.name not in given:
            given.add(part.name)
            yield part


def places(part: Distribution) -> set[Path]:
    """What a distribution has put into the folder of packages; several may share one, as `google`."""
    names = {file.parts[0] for file in part.files or ()} - {"..", "__pycache__"}
    return {Path(str(part.locate_file(name))) for name in names}
