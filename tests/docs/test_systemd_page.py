"""docs/howto/systemd.md: what its unit starts, starts."""

import sys
from pathlib import Path
from signal import SIGHUP, SIGTERM

from command import running
from following import follow
from units import unit

PAGE = "docs/howto/systemd.md"


async def test_the_service_is_checked_started_reloaded_and_stopped(tmp_path: Path) -> None:
    swap = {
        "/opt/pollers/venv/bin": str(Path(sys.executable).parent),
        "/opt/pollers": str(tmp_path),
        "/var/lib/pollers": str(tmp_path / "state"),
        "/run/pollers": str(tmp_path),
    }
    await follow(PAGE, tmp_path, swap=swap)
    service = unit(PAGE, swap)
    assert service.keys["WorkingDirectory"] == str(tmp_path)
    async with running(service.argv("ExecStartPre"), cwd=tmp_path) as check:
        assert await check.process.wait() == 0, check.stderr.decode()
    async with running(service.argv("ExecStart"), cwd=tmp_path) as daemon:
        await daemon.said("serving 1 job")
        assert tmp_path.joinpath("admin.sock").exists()
        assert tmp_path.joinpath("state", "poller.db").exists()
        daemon.process.send_signal(SIGHUP)
        await daemon.said("reloaded")
        assert await daemon.ended_by(SIGTERM) == 0
