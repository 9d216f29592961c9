"""`assert_crash_safe`: real processes, killed at every point, of pollers that are safe and of pollers that are not."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import psutil
import pytest
from command import environment
from right_pollers import CONFIG, Orders, PutsOff
from wrong_pollers import RemembersInAFile, RemembersOnSelf

from nexo_poller import ConfigError
from nexo_poller.testing import Harness, Routes, answer, assert_crash_safe
from nexo_poller.testing.transplant import Immovable


def shop(*numbers: int) -> Routes:
    routes = Routes()
    routes["https://shop.example/orders"] = answer(json=list(numbers))
    return routes


async def test_a_poller_that_keeps_everything_in_its_cursor_is_safe() -> None:
    await assert_crash_safe(Orders(), config=CONFIG, http=shop(6, 7, 8), cursor=b"6", ticks=1)


async def test_what_a_poller_puts_off_is_not_waited_for() -> None:
    await assert_crash_safe(PutsOff(), config=CONFIG, http=shop(1))


async def test_what_is_kept_on_self_is_forgotten_by_the_next_process() -> None:
    with pytest.raises(AssertionError) as caught:
        await assert_crash_safe(RemembersOnSelf(), config=CONFIG, http=shop(1))
    said = str(caught.value)
    assert said.startswith("RemembersOnSelf is not crash-safe.\n")
    assert "\nKilled when a request of the tick's had not been sent (asking):\n  made again" in said
    assert '  made again, with a new id: plugin.outbound.telegram {"text": "order 1", "to": "42"}' in said


async def test_what_is_kept_in_a_file_is_ahead_of_the_cursor(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        await assert_crash_safe(RemembersInAFile(tmp_path / "last"), config=CONFIG, http=shop(1))
    assert "Nobody was killed, and a second life, on a new file, differed from the first." in str(caught.value)
    assert "  lost: plugin.outbound.telegram" in str(caught.value)


async def test_a_tick_that_fails_fails_the_check_with_its_reason() -> None:
    routes = Routes()
    routes["/orders"] = answer(500)
    with pytest.raises(AssertionError, match="its tick fails: TransientError: the shop answered 500"):
        await assert_crash_safe(Orders(), config=CONFIG, http=routes)


def test_processes_do_not_outlive_a_test_that_is_killed(tmp_path: Path) -> None:
    tmp_path.joinpath("endless.py").write_text(
        "import trio\n"
        "from right_pollers import CONFIG, Orders\n"
        "from nexo_poller.testing import assert_crash_safe\n"
        "class Endless(Orders):\n"
        "    async def tick(self, ctx): await trio.sleep_forever()\n"
    )
    script = "import endless, trio; from functools import partial; check = partial(endless.assert_crash_safe, endless.Endless())\n"
    script += "trio.run(partial(check, config=endless.CONFIG))"
    path = os.pathsep.join([str(Path(__file__).parent), environment()["PYTHONPATH"]])
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env=environment({"PYTHONPATH": path})) as test:
        below: list[psutil.Process] = []
        while len(below) < len(("the one that imports", "its fork")):
            with pytest.raises(subprocess.TimeoutExpired):  # it still runs; asked in a tight loop, it would hardly
                test.wait(0.1)
            below = psutil.Process(test.pid).children(recursive=True)
        test.kill()
    _, alive = psutil.wait_procs(below, timeout=60)
    for process in alive:
        process.kill()
    assert not alive


async def test_a_class_that_no_other_process_can_import_is_refused() -> None:
    class Inside(Orders):
        pass

    with pytest.raises(Immovable, match=r"<locals>\.Inside, a class inside a function \(move it to the top of its mod"):
        await assert_crash_safe(Inside(), config=CONFIG)


async def test_a_module_that_needs_its_test_run_is_refused_with_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "needs_more.py"
    module.write_text(
        "import os\nfrom right_pollers import Orders\nos.environ['ONLY_HERE']\nclass Picky(Orders): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ONLY_HERE", "1")
    picky = import_module("needs_more").Picky()
    monkeypatch.delenv("ONLY_HERE")
    with pytest.raises(
        Immovable, match=r"cannot import needs_more\.Picky from .*needs_more\.py: KeyError: 'ONLY_HERE'"
    ):
        await assert_crash_safe(picky, config=CONFIG)


async def test_a_wrong_config_is_refused_as_a_runner_would() -> None:
    with pytest.raises(ConfigError, match="unknown key 'ulr'"):
        await assert_crash_safe(Orders(), config={**CONFIG, "ulr": "x"})


async def test_virtual_time_is_refused(poller_harness: Harness) -> None:
    with pytest.raises(RuntimeError, match="which virtual time does not wait for"):
        await assert_crash_safe(Orders(), config=CONFIG, http=poller_harness.http)
