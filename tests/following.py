"""A page followed to the letter, as a reader would: from top to bottom, in a folder of one's own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from signal import SIGTERM
from typing import Final

import trio
from command import Running, environment, running
from snippets import Snippet, to_run

PATIENCE_SECS: Final = 120
SECTIONS_OF_A_CONFIG: Final = ("pollers:", "agents:", "admin:", "channels:", "broker:", "plugins:", "providers:")


async def follow(
    page: str, folder: Path, *, swap: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run every snippet of a page, except those in docs/snippets-not-run.toml; fails at the first that fails.

    - One with a mark `file: …` is written there, whatever its language.
    - `sh` is a script of bash that stops at the first failing command; `python` a program. Both must exit with 0.
    - `console` has commands after `$ `, and below each what it prints, on stdout and stderr. `…` stands for anything.
    - `yaml` without a mark is a configuration that `nexo-poller check` finds nothing wrong with.

    `swap` has texts of the page, such as addresses on the internet, and what stands for each here. `env` is added to the
    environment, whose `PATH` begins with the folder of this Python.
    """
    env = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]), **(env or {})}
    shown: list[tuple[Snippet, Running]] = []
    async with AsyncExitStack() as background:
        for snippet in to_run(page):
            code = _swapped(snippet.code, swap or {})
            if file := snippet.marks.get("file"):
                folder.joinpath(file).parent.mkdir(parents=True, exist_ok=True)
                folder.joinpath(file).write_text(code)
            elif said := snippet.marks.get("background"):
                program = running(["bash", "-c", f"exec {code.strip()} >&2"], cwd=folder, env=env)
                live = await background.enter_async_context(program)
                shown.append((snippet, live))
                await live.said(said)
            else:
                await trio.to_thread.run_sync(partial(_run, snippet, code, folder, env))
        for snippet, live in shown:
            assert await live.ended_by(SIGTERM) in {0, -SIGTERM}, f"{snippet.where}: {live.stderr.decode()}"


def _swapped(code: str, swap: Mapping[str, str]) -> str:
    for text, instead in swap.items():
        code = code.replace(text, instead)
    return code


def _run(snippet: Snippet, code: str, folder: Path, env: Mapping[str, str]) -> None:
    match snippet.language:
        case "sh":
            _expect(snippet, ["bash", "-euo", "pipefail", "-c", code], folder, env)
        case "python":
            _expect(snippet, [sys.executable, "-c", code], folder, env)
        case "console":
            for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", code, re.MULTILINE):
                found = _expect(snippet, ["bash", "-euo", "pipefail", "-c", command], folder, env)
                wanted = ".*".join(re.escape(part) for part in printed.strip().split("…"))
                assert re.fullmatch(wanted, found.strip(), re.DOTALL), (
                    f"{snippet.where}: {command} printed\n{found}\nand not\n{printed}"
                )
        case "yaml" if code.startswith(SECTIONS_OF_A_CONFIG):
            config = folder / "snippet.yaml"
            config.write_text(code)
            _expect(snippet, [sys.executable, "-m", "nexo_poller", "check", "--config", str(config)], folder, env)
        case language:
            raise AssertionError(
                f"{snippet.where}: nothing runs {language!r}. Say with `<!-- file: … -->` which file it is, or let a test "
                "of its own run it (tests/docs/test_snippets.py), or give a reason in docs/snippets-not-run.toml"
            )


def _expect(snippet: Snippet, argv: list[str], folder: Path, env: Mapping[str, str]) -> str:
    """What the program prints; fails unless it ends as the snippet says."""
    done = subprocess.run(
        argv,
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECS,
        check=False,
    )
    status = int(snippet.marks.get("exits", "0"))
    assert done.returncode == status, f"{snippet.where}: exit status {done.returncode}, not {status}\n{done.stdout}"
    return done.stdout
