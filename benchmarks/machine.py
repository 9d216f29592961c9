"""What machine the figures come from."""

import os
import platform
import sys
from pathlib import Path

import apsw
import trio


def describe() -> dict[str, str]:
    """Processor, cores, Python, trio and SQLite of this run."""
    models = [line for line in _cpuinfo().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "python": sys.version.split()[0],
        "trio": trio.__version__,
        "sqlite": apsw.sqlite_lib_version(),
    }


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""
