"""docs/howto/command.md: its commands run, in its order, and it leaves none out."""

import re
from pathlib import Path

from command import ROOT
from http_server import Response, http_server
from job_files import api_job, orders
from operating import operated

from nexo_poller.cli import ON_A_DAEMON
from nexo_poller.cli.completion import SHELLS

PAGE = ROOT.joinpath("docs", "howto", "command.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
ENDLESS = "nexo-poller tail"  # tests/cli/test_tail.py


async def test_every_command_of_the_page_does_what_it_says_without_a_word_on_stderr(tmp_path: Path) -> None:
    routes = {"/orders": lambda _: orders(1, 2, 3), "/inbox": lambda _: Response(status=400)}
    async with http_server(routes) as server:
        channels = {"*": server.url("/inbox")}
        settings = {"max_delivery_attempts": 1}
        job = api_job(server.url("/orders"), "open-orders")
        async with operated(tmp_path, job, channels=channels, pollers=settings) as daemon:
            while len(await daemon.json("dlq", "list")) < len("123"):
                pass
            for line in LINES:
                if line != ENDLESS:
                    done = await daemon.shell(line)
                    assert (done.returncode, done.stderr) == (0, ""), line


def test_every_command_for_a_daemon_is_on_the_page() -> None:
    for command in ON_A_DAEMON:
        assert command == "mcp" or f"nexo-poller {command}" in PAGE


def test_every_shell_that_can_complete_is_on_the_page() -> None:
    assert re.findall(r"nexo-poller completion (\w+)", PAGE) == [*SHELLS]
