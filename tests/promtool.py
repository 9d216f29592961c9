"""Prometheus' own checker (Debian package `prometheus`)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def promtool(*args: str, text: str | None = None, folder: Path | None = None) -> tuple[int, list[str]]:
    """Exit code and lines of both outputs. Skips where there is none, but for CI, which installs it."""
    if shutil.which("promtool") is None and "CI" not in os.environ:
        pytest.skip("needs `promtool` (Debian package prometheus)")
    ran = subprocess.run(
        ["promtool", *args],
        input=text,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout.splitlines()
