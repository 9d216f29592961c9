"""Completion in real shells: half a command is typed, and what it does once completed is what is checked."""

import os
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import pytest
import trio
from command import nexo_poller
from job_files import api_job, write_config
from operating import command, on_the_path, operated
from terminal import on_a_terminal

JOBS: Final = [
    {**api_job("http://127.0.0.1:9/", job_id), "paused_on_boot": True} for job_id in ("inbox", "invoices", "news")
]
SHELLS: Final = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(nexo-poller completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(nexo-poller completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "nexo-poller completion fish | source"),
}
HALF: Final = "nexo-poller resu\tinb\t\n"


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_shell_completes_commands_and_the_ids_of_jobs(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None and "CI" not in os.environ:
        pytest.skip(f"needs `{shell}` (Debian package {shell})")
    argv, set_up = SHELLS[shell]
    async with operated(tmp_path, *JOBS) as daemon:
        env = {**on_the_path(tmp_path), "HOME": str(tmp_path)}
        run = partial(on_a_terminal, argv, cwd=tmp_path, typed=f"{set_up}\n{HALF}exit\n", env=env)
        _, shown = await trio.to_thread.run_sync(run)
        paused = {job["id"] for job in await daemon.json("list") if job["paused"]}
    assert paused == {"invoices", "news"}, shown


def offered(done: CompletedProcess[str]) -> list[str]:
    """What is completed to, if it is done in silence: bash reads lines of `plain,<word>`."""
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.split()]


def asks(*words: str) -> dict[str, str]:
    """The environment in which bash asks for the last of these words."""
    return {
        "_NEXO_POLLER_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }


async def test_ids_come_from_the_daemon_that_the_line_names(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with operated(tmp_path, *JOBS):
        assert offered(await command(cwd=elsewhere, env=asks("nexo-poller", "show", "in"))) == []
        line = ("nexo-poller", "show", "--admin", "unix:../admin.sock", "in")
        assert offered(await command(cwd=elsewhere, env=asks(*line))) == ["inbox", "invoices"]


@pytest.mark.parametrize("address", ["127.0.0.1:9", "no address"])
def test_nothing_is_offered_and_nothing_said_where_no_daemon_answers(tmp_path: Path, address: str) -> None:
    env = {**asks("nexo-poller", "show", ""), "NEXO_POLLER_ADMIN": address}
    assert offered(nexo_poller(cwd=tmp_path, env=env)) == []


def test_a_file_that_is_wrong_is_not_complained_of_in_the_middle_of_a_line(tmp_path: Path) -> None:
    write_config(tmp_path, admin={"bind": "here"})
    assert offered(nexo_poller(cwd=tmp_path, env=asks("nexo-poller", "show", ""))) == []


async def test_a_daemon_that_does_not_come_to_an_end_is_not_waited_for(tmp_path: Path) -> None:
    async def trickle(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x")
                await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, trickle, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        env = {**asks("nexo-poller", "show", ""), "NEXO_POLLER_ADMIN": address}
        assert offered(await command(cwd=tmp_path, env=env)) == []
        nursery.cancel_scope.cancel()
