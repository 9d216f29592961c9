"""The programs in examples/, run as a reader would run them."""

import ast
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trio
from command import NEXO_POLLER, ROOT, environment, nexo_poller, running
from http_server import Request, Response, http_server
from llm_fake import llm_fake

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


async def test_two_runners_in_one_process_know_nothing_of_each_other(tmp_path: Path) -> None:
    argv = [sys.executable, str(EXAMPLES / "two_runners.py"), "ana", "bo"]
    async with running(argv, cwd=tmp_path) as program:
        said = {await program.line(), await program.line()}
        assert await program.ended_by(signal.SIGTERM) == 0
    assert said == {"ana's runner: ana hello, for time 1", "bo's runner: bo hello, for time 1"}
    assert {path.name for path in tmp_path.joinpath("data").glob("*.db")} == {"ana.db", "bo.db"}


async def test_apprise_is_handed_what_goes_to_the_phone(tmp_path: Path) -> None:
    notified = trio.Event()

    def take(_request: Request) -> Response:
        notified.set()
        return Response()

    async with http_server({"/12345": take}) as server:
        env = {"NOTIFY": f"json://127.0.0.1:{server.port}/{{to}}"}
        async with running([sys.executable, str(EXAMPLES / "notify.py")], cwd=tmp_path, env=env):
            await notified.wait()
    assert json.loads(server.requests[0].body)["message"] == "hello, for time 1"


async def test_a_language_model_s_answer_is_delivered(tmp_path: Path) -> None:
    folder = EXAMPLES / "agent_turn"
    nexo_poller("check", "--strict", cwd=folder)
    tmp_path.joinpath("config").symlink_to(folder / "config")
    async with llm_fake() as fake:
        fake.next_answers = ["O lais de guia não corre."]
        env = {"OLLAMA": fake.server.url("").removesuffix("/")}
        argv = [*NEXO_POLLER, "test", "morning", "--json"]
        async with running(argv, cwd=tmp_path, env=env) as program:
            said = json.loads(await program.line())
    assert [message["payload"]["text"] for message in said["messages"]] == ["O lais de guia não corre."]
    assert "one knot" in json.dumps(fake.asked)


def test_the_tests_of_the_poller_pass(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        "--rootdir",
        str(tmp_path),
    ]
    test = str(EXAMPLES / "test_my_poller.py")
    done = subprocess.run([*argv, test], env=environment(), capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "most"), [("embed.py", 15), ("my_poller.py", 25)])
def test_the_programs_are_as_short_as_promised(name: str, most: int) -> None:
    source = EXAMPLES.joinpath(name).read_text()
    docstring = ast.get_docstring(ast.parse(source), clean=False) or ""
    code = source.replace(f'"""{docstring}"""', "")
    assert len([line for line in code.splitlines() if line.strip()]) <= most


PROGRAMS = sorted(path for path in EXAMPLES.rglob("*.*") if path.suffix in {".py", ".js", ".sh", ".yaml"})


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_shows_one_thing_in_under_100_lines(program: Path) -> None:
    assert len(program.read_text().splitlines()) < 100


def test_the_readme_leads_to_every_example_and_to_nothing_else() -> None:
    named = re.findall(r"\]\(([\w./]+)\)", EXAMPLES.joinpath("README.md").read_text())
    assert [name for name in named if not EXAMPLES.joinpath(name).exists()] == []
    led_to = {EXAMPLES / name for name in named}
    assert [path for path in PROGRAMS if not led_to & {path, *path.parents}] == []
