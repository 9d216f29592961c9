"""docs/howto/nats.md: its configuration is sound, and its programs run against a real server."""

import re
import sys
from pathlib import Path
from typing import Final

from command import ROOT, nexo_poller, running
from job_files import write_config
from nats_server import nats_server

PAGE: Final = ROOT.joinpath("docs", "howto", "nats.md").read_text()


def test_the_configuration_is_sound_and_has_no_channels(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    key_file = tmp_path / "daemon.nk"
    key_file.touch()
    config = tmp_path / "config" / "pollers.yaml"
    config.parent.mkdir()
    config.write_text(shown.replace("/etc/nexo/daemon.nk", str(key_file)))
    nexo_poller("check", "--strict", cwd=tmp_path)
    config.write_text(config.read_text() + 'channels: {"*": stdout}\n')
    assert "channels" in nexo_poller("check", cwd=tmp_path, status=1).stderr


async def test_a_stream_is_added_and_the_daemon_s_handler_gets_what_it_keeps(tmp_path: Path) -> None:
    to = {"channel": "telegram", "to": "1194292426"}
    entry = {
        "id": "greet",
        "kind": "greeting",
        "agent": "ana",
        "schedule": {"every_secs": 1},
        "config": {"deliver": to},
    }
    async with nats_server(tmp_path) as server:
        write_config(
            tmp_path,
            entry,
            broker={"type": "nats", "url": server.url},
            agents=[{"id": "ana", "credentials": {"telegram": "ana_bot"}}],
        )
        env = {"NATS_URL": server.url}
        async with running(
            [sys.executable, str(ROOT / "examples" / "add_stream.py")], cwd=tmp_path, env=env
        ) as program:
            assert await program.process.wait() == 0, program.stderr.decode()
        async with running([sys.executable, str(ROOT / "examples" / "over_nats.py")], cwd=tmp_path) as program:
            for n in (1, 2):
                assert await program.line() == f"plugin.outbound.telegram.ana_bot hello, for time {n}"
        async with server.client() as client:
            assert len(await client.kept("outbound")) >= 2
