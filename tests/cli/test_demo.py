"""`nexo-poller demo`: a good daemon passes, and one that is wrong in any way does not."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import trio
from command import NEXO_POLLER, environment

POCKET_DAEMON = Path(__file__).parent / "pocket_daemon.py"


async def demo(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the demo; its exit code and its summary."""
    done = await trio.run_process(
        [*NEXO_POLLER, "demo", "--json", *arguments],
        stdin=b"",
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
        env=environment(),
    )
    return done.returncode, json.loads(done.stdout)


async def trials(*modes: str) -> dict[str, tuple[int, dict[str, Any]]]:
    """What the demo says of the pocket daemon in each of these modes, all tried at once."""
    told: dict[str, tuple[int, dict[str, Any]]] = {}

    async def judge(mode: str) -> None:
        argv = (sys.executable, str(POCKET_DAEMON), mode)
        told[mode] = await demo("--seconds", "8", *(part for word in argv for part in ("--daemon", word)))

    async with trio.open_nursery() as nursery:
        for mode in modes:
            nursery.start_soon(judge, mode)
    return told


async def test_serve_loses_and_repeats_nothing_while_it_is_killed() -> None:
    status, summary = await demo("--seconds", "12")
    assert status == 0, summary
    assert (summary["lost"], summary["repeated"], summary["disordered"]) == (0, 0, 0)
    assert summary["kills"] >= 2
    assert summary["ticks"] > 0
    assert all(summary["jobs"][job]["delivered"] > 0 for job in ("news", "orders"))


async def test_daemons_that_lose_repeat_or_withhold_fail_and_an_honest_one_does_not() -> None:
    told = await trials("honest", "cursor-first", "delete-first", "fresh-ids", "mute", "crash")
    assert {mode for mode, (status, _) in told.items() if status == 0} == {"honest"}
    assert {mode for mode, (status, _) in told.items() if status != 1} == {"honest"}
    assert told["honest"][1]["redelivered"] > 0, "the kill before an answer makes it send an event again"
    assert told["cursor-first"][1]["lost"] > 0
    assert told["delete-first"][1]["lost"] > 0
    assert told["fresh-ids"][1]["repeated"] > 0
    assert told["mute"][1]["verdict"] == "nothing came of news and orders"
    assert told["crash"][1]["verdict"] == "the daemon ended by itself with status 1\nno such luck"


def test_people_see_deliveries_kills_and_a_table() -> None:
    argv = [*NEXO_POLLER, "demo", "--seconds", "3", "--daemon", sys.executable]
    honest = partial(subprocess.run, capture_output=True, text=True, check=False, env=environment())
    shown = honest([*argv, "--daemon", str(POCKET_DAEMON), "--daemon", "honest"]).stdout
    assert "✉ news #1 " in shown
    assert "✖ kill -9" in shown
    assert "published" in shown
    assert "kills" in shown.splitlines()[-2]
