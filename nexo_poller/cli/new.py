"""`nexo-poller new KIND`: a small package with a kind of one's own, to begin with."""

import re
import shlex
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Final

import click

from nexo_poller.builtins import builtin_pollers
from nexo_poller.config.names import RESERVED_IDS
from nexo_poller.kinds import discover_pollers

KIND: Final = re.compile(r"[a-z][a-z0-9_]{1,63}")
TEMPLATES: Final = {
    "pyproject.toml": "pyproject.toml.txt",
    "$module.py": "poller.py.txt",
    "test_$module.py": "test_poller.py.txt",
    "config/pollers.yaml": "pollers.yaml.txt",
    "source/$kind.json": "source.json.txt",
}


def read_kind(_: click.Context, __: click.Parameter, kind: str) -> str:
    """The kind. Raises `click.BadParameter` for one that its files, its class and its job cannot be called by."""
    if not KIND.fullmatch(kind):
        raise click.BadParameter(f"'{kind}' is no name for a kind: use 2 to 64 of a-z 0-9 _ and begin with a letter")
    if kind in RESERVED_IDS:
        raise click.BadParameter(f"'{kind}' cannot be the id of a job: choose another name")
    if kind.partition("_")[0] == "test":
        raise click.BadParameter(f"pytest would take the module '{kind}_poller' for tests: choose another name")
    if kind in {poller.kind for poller in (*builtin_pollers(), *discover_pollers().pollers)}:
        raise click.BadParameter(f"the kind '{kind}' is known already: choose another name, or remove its distribution")
    return kind


@click.command("new")
@click.argument("kind", callback=read_kind)
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def command(kind: str, folder: Path) -> None:
    """Write a package with a poller of the new KIND, its test and its job into FOLDER, by default the present one.

    What it polls at first is a file of the package, so that everything works at once. Nothing is overwritten.
    """
    texts = package(kind)
    taken = [name for name in texts if folder.joinpath(name).exists()]
    if taken:
        raise click.ClickException(
            f"in '{folder}' there is already {', '.join(taken)}; nothing was written"
            f" (name an empty folder: `nexo-poller new {kind} FOLDER`)"
        )
    if find_spec(f"{kind}_poller") is not None:
        raise click.ClickException(f"there is a module '{kind}_poller' already, which this one would hide")
    files = {folder / name: text for name, text in texts.items()}
    for file in files:  # before anything is written, since something may be in the way
        file.parent.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        file.write_text(text)
        click.echo(f"wrote {file}")
    click.echo(what_next(kind, folder))


def package(kind: str) -> Mapping[str, str]:
    """The files of the package by their names in its folder."""
    stem = "".join(part.capitalize() for part in kind.split("_"))
    host = kind.replace("_", "-")
    words = {"kind": kind, "stem": stem, "host": host, "module": f"{kind}_poller", "distribution": f"{host}-poller"}
    folder = files("nexo_poller.cli").joinpath("templates")
    return {
        Template(name).substitute(words): Template(folder.joinpath(template).read_text()).substitute(words)
        for name, template in TEMPLATES.items()
    }


def what_next(kind: str, folder: Path) -> str:
    """The commands of the first five minutes, each with what it does."""
    go = f"cd {shlex.quote(str(folder))}"
    steps = {
        go: "",
        "pytest": "tests the poller",
        "pip install -e .": "lets nexo-poller know the kind",
        "python -m http.server --bind 127.0.0.1 --directory source 8000": "serves what the job polls, as long as it runs",
        f"nexo-poller test {kind}": "shows what a tick would send",
        "nexo-poller serve": "runs the job",
    }
    if folder == Path():
        del steps[go]
    return "\n".join(["\nNext:", *(f"  {step}" + (f"  # {does}" if does else "") for step, does in steps.items())])
