"""A daemon in a process of its own, on a socket in its folder, and the commands that speak to it."""

import json
import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

import trio
from attrs import define
from command import NEXO_POLLER, Running, environment, nexo_poller, running
from job_files import write_config

SERVE: Final = (*NEXO_POLLER, "serve")
SOCKET: Final = {"bind": "unix:./admin.sock"}  # relative, for the path of a socket must be short


@define(eq=False)
class Operated:
    """A daemon that serves in `folder`, and an operator's shell there."""

    folder: Path
    daemon: Running

    async def command(self, *arguments: str, status: int = 0) -> CompletedProcess[str]:
        """Run a command to its end, while this test goes on answering whoever asks it."""
        return await command(*arguments, cwd=self.folder, status=status)

    async def says(self, *arguments: str) -> str:
        """What a command that goes well prints."""
        return (await self.command(*arguments)).stdout

    async def json(self, *arguments: str) -> Any:
        """The one document that a command prints with --json."""
        return json.loads(await self.says(*arguments, "--json"))

    async def shell(self, line: str) -> CompletedProcess[str]:
        """What becomes of a line in the operator's shell, where `nexo-poller` is this very package's."""
        run = partial(subprocess.run, ["bash", "-c", line], cwd=self.folder, env=environment(on_the_path(self.folder)))
        return await trio.to_thread.run_sync(partial(run, capture_output=True, text=True, timeout=60, check=False))

    async def delivered(self) -> Any:
        """The payload of the next event on the daemon's stdout."""
        return json.loads(await self.daemon.line())["payload"]


def on_the_path(folder: Path) -> dict[str, str]:
    """The environment of a shell that finds `nexo-poller`, which is put into `folder`."""
    program = folder / "bin" / "nexo-poller"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.join(NEXO_POLLER)} "$@"\n')
    program.chmod(0o755)
    return {"PATH": os.pathsep.join((str(program.parent), os.environ["PATH"]))}


async def command(
    *arguments: str, cwd: Path, status: int = 0, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Like `nexo_poller`, in a thread."""
    return await trio.to_thread.run_sync(partial(nexo_poller, *arguments, cwd=cwd, status=status, env=env))


@asynccontextmanager
async def operated(folder: Path, *jobs: Mapping[str, Any], **sections: Any) -> AsyncIterator[Operated]:
    """The daemon, for as long as the block lasts, on a file with these jobs and sections."""
    write_config(folder, *jobs, **{"admin": SOCKET, **sections})
    async with running(SERVE, cwd=folder) as daemon:
        await daemon.said("serving ")
        yield Operated(folder, daemon)
