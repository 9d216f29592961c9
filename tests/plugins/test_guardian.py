import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from programs import WAYS_OUT, Programs

DAEMON = Path(__file__).with_name("spawning_daemon.py")
MAY_OUTLIVE_SECS = 2  # what is promised


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    programs = Programs(tmp_path)
    yield programs
    for process in programs.processes():
        process.kill()


def daemon(programs: Programs, *how: str) -> psutil.Popen:
    """A daemon whose plugin runs."""
    command = [sys.executable, str(DAEMON), str(programs.folder), *how]
    process = psutil.Popen(
        command,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(DAEMON.parents[1]), "PATH": "/usr/bin:/bin"},
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def left_after_killing(daemon: psutil.Popen, programs: Programs) -> list[psutil.Process]:
    """Who of the plugin still runs when the daemon has been dead for two seconds. Zombies are whatever init's."""
    daemon.kill()
    deadline = time.monotonic() + MAY_OUTLIVE_SECS
    daemon.wait()
    daemon.stdout.close()
    while (running := programs.processes()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return running


@pytest.mark.parametrize("how", ["polite", *WAYS_OUT.values()], ids=["polite", *WAYS_OUT])
def test_nothing_of_a_plugin_outlives_a_killed_daemon_by_more_than_two_seconds(programs: Programs, how: str) -> None:
    running = daemon(programs, how)
    assert len(programs.processes()) == (2 if how == "polite" else 3)
    assert left_after_killing(running, programs) == []


def test_nor_one_whose_daemon_has_left_copies_of_its_pipes_behind(programs: Programs) -> None:
    running = daemon(programs, "os.setsid()", "fork")
    [copy] = [child for child in running.children() if child.cmdline() == running.cmdline()]
    try:
        assert left_after_killing(running, programs) == []
        assert copy.is_running()
    finally:
        copy.kill()
