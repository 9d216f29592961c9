"""docs/tutorial/first-poller.md, followed to the letter in an environment of its own that has the built wheel."""

import os
from pathlib import Path
from signal import SIGTERM

from command import free_port, running
from following import follow
from lending import lend
from units import unit

PAGE = "docs/tutorial/first-poller.md"


async def test_from_nothing_to_a_poller_in_production(tmp_path: Path) -> None:
    folder = tmp_path / "weather"
    lent = lend(tmp_path, extra="test")
    lent.to(folder / ".venv")
    env = {**lent.variables(folder / ".venv", os.environ["PATH"]), "PYTHONUNBUFFERED": "1"}
    await follow(PAGE, folder, swap={"8000": str(free_port())}, env=env)
    service = unit(PAGE, {"%h/weather": str(folder)})
    async with running(service.argv("ExecStartPre"), cwd=folder, env=env) as check:
        assert await check.process.wait() == 0, check.stderr.decode()
    async with running(service.argv("ExecStart"), cwd=folder, env=env) as daemon:
        await daemon.said("serving 1 job")
        assert await daemon.ended_by(SIGTERM) == 0
