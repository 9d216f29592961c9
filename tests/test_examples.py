"""The programs in examples/, run as a reader would run them."""

import ast
import json
import re
import signal
import sys
from pathlib import Path

import httpx
import pytest
import trio
from command import ROOT, running
from http_server import Request, Response, http_server

EXAMPLES = ROOT / "examples"
CONFIG = """
pollers:
  default_jitter_ms: 0
  jobs:
    - id: release
      kind: version
      agent: ana
      schedule: {{every_secs: 1}}
      config:
        url: {url}
        deliver: {{channel: inbox, to: you}}
        allow_private_networks: true
"""


async def test_the_daemon_author_gets_what_the_poller_author_found(tmp_path: Path) -> None:
    released = ["1.0"]

    def version(_request: Request) -> Response:
        return Response(body=json.dumps({"version": released[-1]}).encode())

    async with http_server({"/version": version}) as server:
        tmp_path.joinpath("config").mkdir()
        tmp_path.joinpath("config", "pollers.yaml").write_text(CONFIG.format(url=server.url("/version")))
        async with running([sys.executable, str(EXAMPLES / "embed.py")], cwd=tmp_path) as program:
            assert await program.line() == "jobs: ['release']"
            assert await program.line() == "you version 1.0 is out"
            released.append("1.1")
            assert await program.line() == "you version 1.1 is out"


@pytest.mark.parametrize("way", ["mount", "blueprint"])
async def test_an_app_of_ones_own_shows_its_jobs_and_stops_at_a_signal(tmp_path: Path, way: str) -> None:
    found = Response(body=json.dumps({"version": "1.0"}).encode())
    async with http_server({"/version": lambda _: found}) as source:
        tmp_path.joinpath("config").mkdir()
        tmp_path.joinpath("config", "pollers.yaml").write_text(CONFIG.format(url=source.url("/version")))
        program = [sys.executable, str(EXAMPLES / "admin_app.py"), way, "127.0.0.1:0"]
        async with running(program, cwd=tmp_path) as app, httpx.AsyncClient(trust_env=False) as client:
            await app.said("CTRL + C")
            (address,) = re.findall(rb"Running on (http://127.0.0.1:[0-9]+)", app.stderr)
            client.base_url = address.decode()
            while (await client.get("/news")).json() != ["version 1.0 is out"]:  # noqa: ASYNC110 - the app has no better news
                await trio.sleep(0.01)
            assert [job["id"] for job in (await client.get("/ops/admin/pollers")).json()] == ["release"]
            assert "release" in (await client.get("/ops/")).text
            assert await app.ended_by(signal.SIGTERM) == 0


@pytest.mark.parametrize(("name", "most"), [("embed.py", 15), ("my_poller.py", 25)])
def test_the_programs_are_as_short_as_promised(name: str, most: int) -> None:
    source = EXAMPLES.joinpath(name).read_text()
    docstring = ast.get_docstring(ast.parse(source), clean=False) or ""
    code = source.replace(f'"""{docstring}"""', "")
    assert len([line for line in code.splitlines() if line.strip()]) <= most
