"""Which program a manifest's `command` is."""

import os
from pathlib import Path

import pytest

from nexo_poller.config.commands import program
from nexo_poller.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest's folder, and beside it one on PATH."""
    for name in ("plugin/own", "plugin/both", "plugin/bin/tool", "path/both", "path/installed", "path/bin/other"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o755)
    (tmp_path / "plugin" / "text").touch(mode=0o644)
    (tmp_path / "plugin" / "installed").mkdir()
    return tmp_path / "plugin"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("own", "plugin/own"),
        ("./own", "plugin/own"),
        ("both", "plugin/both"),
        ("bin/tool", "plugin/bin/tool"),
        ("installed", "path/installed"),
        ("../path/installed", "plugin/../path/installed"),
    ],
)
def test_a_command_is_in_the_folder_of_its_manifest_or_else_on_path(command: str, found: str, folder: Path) -> None:
    root = folder.parent
    assert program(command, folder, f"/nowhere{os.pathsep}{root}/path") == str(root / found)


def test_a_command_may_be_absolute_and_a_link_keeps_its_name(folder: Path) -> None:
    link = folder / "python3"
    link.symlink_to("own")
    assert program(str(link), Path("/"), "") == str(link)
    assert program("python3", folder, "") == str(link)


def test_a_folder_that_is_relative_gives_an_absolute_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert program("own", Path("plugin"), "path") == str(folder / "own")
    assert program("installed", Path("plugin"), "path") == str(folder.parent / "path" / "installed")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("nope", "there is no command 'nope', neither in the folder of this manifest nor on PATH (install it"),
        ("./installed", "there is no command './installed' in the folder of this manifest (check the path)"),
        ("bin/other", "there is no command 'bin/other' in the folder of this manifest (check the path)"),
        ("own --fast", "there is no command 'own --fast', neither"),
        ("own; rm -rf", "there is no command 'own; rm -rf', neither"),
        ("text", "the command 'text' is a file that cannot be executed (chmod +x /"),
        ("text/x", "there is no command 'text/x' in the folder"),
        ("x" * 300, "there is no command 'xxx"),
    ],
)
def test_a_command_that_is_no_program_is_told_with_what_to_do(
    command: str, complaint: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent / "path")  # where the daemon runs counts for nothing
    with pytest.raises(ConfigError) as caught:
        program(command, folder, str(folder.parent / "path"))
    assert str(caught.value).startswith(complaint)
