"""The pictures of the page and of the terminal: they can be taken, and those in docs/ are there for the README."""

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT, environment

LARGEST: int = 300 * 1024
SHOWN = re.findall(r"\]\((docs/[\w-]+\.(?:png|svg))\)", ROOT.joinpath("README.md").read_text())
KEPT = [picture for kind in ("png", "svg") for picture in ROOT.joinpath("docs").glob(f"*.{kind}")]
BOLD = re.compile(r'<text class="t-r1"[^>]*>(.*?)</text>')


def test_the_pictures_can_be_taken(tmp_path: Path) -> None:
    if shutil.which("chromedriver") is None and "CI" not in os.environ:
        pytest.skip("needs `chromium` and `chromedriver` (Debian packages chromium and chromium-driver)")
    script = [sys.executable, str(ROOT / "docs" / "screenshots.py"), str(tmp_path)]
    subprocess.run(script, env=environment(), check=True, timeout=300)
    taken = {picture.name: what_stays(picture) for picture in tmp_path.iterdir()}
    assert taken == {picture.name: what_stays(picture) for picture in KEPT}


def test_a_terminal_is_light_and_dark_and_needs_no_other_host() -> None:
    terminals = [picture.read_text() for picture in KEPT if picture.suffix == ".svg"]
    assert terminals
    for svg in terminals:
        assert "(prefers-color-scheme: dark)" in svg
        assert re.findall(r"url\((?!#)|href", svg) == []


def test_the_readme_shows_pictures_that_are_small_enough_for_a_repository() -> None:
    assert SHOWN
    assert [name for name in SHOWN if ROOT.joinpath(name).stat().st_size > LARGEST] == []


def what_stays(picture: Path) -> object:
    """What does not depend on the hour: the size of a page, or a terminal's command and the titles of what it shows."""
    return size(picture) if picture.suffix == ".png" else BOLD.findall(picture.read_text())


def size(picture: Path) -> tuple[int, int]:
    """Width and height, as a PNG file has them in its first chunk."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return int(width), int(height)
