"""The pictures of the page: they can be taken, and those in docs/ are there for the README."""

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
SHOWN = re.findall(r"\]\((docs/[\w-]+\.png)\)", ROOT.joinpath("README.md").read_text())


def test_the_pictures_can_be_taken(tmp_path: Path) -> None:
    if shutil.which("chromedriver") is None and "CI" not in os.environ:
        pytest.skip("needs `chromium` and `chromedriver` (Debian packages chromium and chromium-driver)")
    script = [sys.executable, str(ROOT / "docs" / "screenshots.py"), str(tmp_path)]
    subprocess.run(script, env=environment(), check=True, timeout=300)
    taken = {picture.name: size(picture) for picture in tmp_path.iterdir()}
    assert taken == {picture.name: size(picture) for picture in ROOT.joinpath("docs").glob("*.png")}


def test_the_readme_shows_pictures_that_are_small_enough_for_a_repository() -> None:
    assert SHOWN
    assert [name for name in SHOWN if ROOT.joinpath(name).stat().st_size > LARGEST] == []


def size(picture: Path) -> tuple[int, int]:
    """Width and height, as a PNG file has them in its first chunk."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return int(width), int(height)
