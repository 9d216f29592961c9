"""docs/reference/admin.md: its requests go well, its tables have all there is, and its limits are the ones that hold."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import pytest
import trio
from attrs import define
from command import NEXO_POLLER, ROOT, Running, environment, free_port, running
from http_server import http_server
from job_files import api_job, orders, write_config
from ruamel.yaml import YAML

from nexo_poller.admin import connection, events, http_1, incoming, limits, server
from nexo_poller.admin.table import ROUTES
from nexo_poller.runner.events import EventKind

PAGE: Final = ROOT.joinpath("docs", "reference", "admin.md").read_text()
BLOCKS: Final = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
REQUESTS, WITH_TOKEN, ON_SOCKET, FOLLOWING = [block.splitlines() for language, block in BLOCKS if language == "sh"]
[SECTION] = [YAML(typ="safe").load(block)["admin"] for language, block in BLOCKS if language == "yaml"]
[EXAMPLE] = [block.splitlines() for language, block in BLOCKS if language == "text"]
EVENT_ROWS: Final = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))


@define(eq=False)
class Served:
    """A daemon with the job of the page, and a shell in its folder."""

    folder: Path
    port: str
    daemon: Running

    async def answer(self, line: str) -> Any:
        """The JSON that a request gets."""
        ask = partial(subprocess.run, self.shell(line), cwd=self.folder, env=environment(), timeout=60, check=False)
        done = await trio.to_thread.run_sync(partial(ask, capture_output=True, text=True))
        assert (done.returncode, done.stderr) == (0, ""), (line, done)
        return json.loads(done.stdout)

    def shell(self, line: str) -> list[str]:
        """How to run a line of the page against this daemon, and to notice where it fails."""
        asked = line.replace("9091", self.port).replace("curl", "exec curl --fail-with-body --no-progress-meter", 1)
        return ["bash", "-c", asked]


@asynccontextmanager
async def served(folder: Path, admin: Mapping[str, Any]) -> AsyncIterator[Served]:
    """The page's daemon, with such a section `admin:`, on a port of its own. Skips without curl, but for CI."""
    if shutil.which("curl") is None and "CI" not in os.environ:
        pytest.skip("needs `curl` (Debian package curl)")
    port = str(free_port())
    async with http_server({"/orders": lambda _: orders(1)}) as shop:
        job = {**api_job(shop.url("/orders"), "open-orders"), "schedule": {"at": "2099-01-01T00:00:00Z"}}
        write_config(folder, job, admin={**admin, "bind": admin["bind"].replace("9091", port)})
        async with running((*NEXO_POLLER, "serve"), cwd=folder) as daemon:
            await daemon.said("serving ")
            yield Served(folder, port, daemon)


async def test_every_request_of_the_page_goes_well(tmp_path: Path) -> None:
    async with served(tmp_path, {"bind": "127.0.0.1:9091"}) as daemon:
        answers = [await daemon.answer(line) for line in REQUESTS]
    assert [job["id"] for job in answers[0]] == ["open-orders"]
    assert [answer.get("ok", True) for answer in answers[1:]] == [True] * 5


async def test_the_section_of_the_page_lets_whoever_shows_the_token_in(tmp_path: Path) -> None:
    tmp_path.joinpath("config").mkdir()
    tmp_path.joinpath("config", "admin.token").write_text("correct-horse-battery-staple\n")
    async with served(tmp_path, SECTION) as daemon:
        for line in WITH_TOKEN:
            assert await daemon.answer(line)
            by_name = line.replace("curl", f"curl -H 'Host: {SECTION['hosts'][0]}'", 1)
            assert await daemon.answer(by_name)
            ask = partial(subprocess.run, daemon.shell(line.replace("Bearer", "Bear")), cwd=tmp_path, check=False)
            assert (await trio.to_thread.run_sync(partial(ask, capture_output=True))).returncode == 22  # 401


async def test_the_socket_of_the_page_answers(tmp_path: Path) -> None:
    async with served(tmp_path, {"bind": "unix:./data/admin.sock"}) as daemon:
        for line in ON_SOCKET:
            assert await daemon.answer(line)


async def test_events_are_told_as_the_page_says(tmp_path: Path) -> None:
    told = dict[str, Any]()
    async with served(tmp_path, {"bind": "127.0.0.1:9091"}) as daemon:
        [line] = FOLLOWING
        async with running(daemon.shell(line), cwd=tmp_path) as listener:
            assert await listener.line() == "retry: 2000"
            assert await listener.line() == ""

            async def hear(kinds: set[str]) -> None:
                while not kinds <= told.keys():
                    kind, data, _ = [await listener.line() for _ in range(3)]
                    told[kind.removeprefix("event: ")] = json.loads(data.removeprefix("data: "))

            await daemon.answer("curl -X POST http://127.0.0.1:9091/admin/pollers/open-orders/run")
            await hear({"tick", "delivery"})
            await daemon.answer("curl -X POST http://127.0.0.1:9091/admin/pollers/reload")
            pausing = next(request for request in REQUESTS if "/pause" in request)
            await daemon.answer(pausing)
            await hear({"reload", "state"})
    for kind, data in told.items():
        assert {f"`{name}`" for name in data if name != "at_ms"} <= set(re.findall(r"`\w+`", EVENT_ROWS[kind])), kind
    assert EXAMPLE[0] == "event: state"
    shown = json.loads(EXAMPLE[1].removeprefix("data: "))
    assert {**shown, "at_ms": None} == {**told["state"], "at_ms": None}


def test_every_endpoint_and_every_event_is_in_a_table() -> None:
    for_people = {"/", "/jobs/{id}", "/outbox", "/dead-letters", "/admin/static/{name}"}
    served = {f"{route.method} {route.path}" for route in ROUTES if route.path not in for_people}
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", PAGE, re.MULTILINE)) == served
    assert EVENT_ROWS.keys() == {*get_args(EventKind)}


def test_every_parameter_is_named_beside_its_endpoint() -> None:
    for route in ROUTES:
        for name in {*route.query, *route.body["properties"]}:
            if route.path.startswith("/admin/"):
                [row] = re.findall(rf"^\| `{route.method} {re.escape(route.path)}` \| (.*) \|$", PAGE, re.MULTILINE)
                assert f"`{name}" in row, (route.path, name)


def test_the_limits_are_the_ones_that_hold() -> None:
    words = " ".join(PAGE.split())
    assert (limits.REQUESTS, limits.LENGTHY_REQUESTS) == (8, 4)
    for said in (
        "Eight requests are answered at once, of which four may be",
        f"within {limits.PATIENCE_SECS:g} s gets 503",
        f"there are {limits.STREAMS} event streams; of connections, {server.MAX_CONNECTIONS}.",
        f"{incoming.MAX_BODY_BYTES // 2**20} MiB at most and {incoming.BODY_SECS:g} s to come",
        f"headers {http_1.HEADER_BYTES // 2**10} KiB and {server.IDLE_SECS:g} s",
        f"does not read for {connection.WRITE_SECS:g} s",
        f"Every {events.HEARTBEAT_SECS:g} s without an event",
    ):
        assert said in words


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", PAGE):
        assert ROOT.joinpath("docs", "reference", target).exists(), target
