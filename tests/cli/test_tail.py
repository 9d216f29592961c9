"""`nexo-poller tail`, on the event stream of a real daemon."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

from command import NEXO_POLLER, Running, running
from http_server import Response, http_server
from job_files import api_job, orders, write_config
from operating import SOCKET, Operated, command, operated

Event = dict[str, Any]


@asynccontextmanager
async def two_jobs(folder: Path) -> AsyncIterator[Operated]:
    """A daemon whose jobs `inbox` and `news` tick every second."""
    async with http_server({"/orders": lambda _: orders(1, 2)}) as server:
        jobs = [api_job(server.url("/orders"), job_id) for job_id in ("inbox", "news")]
        async with operated(folder, *jobs) as daemon:
            yield daemon


@asynccontextmanager
async def tail(daemon: Operated, *arguments: str) -> AsyncIterator[Running]:
    """The command under way, with its first event heard: from now on it misses none."""
    async with running((*NEXO_POLLER, "tail", *arguments), cwd=daemon.folder) as followed:
        assert "tick" in await followed.line()
        yield followed


async def event(followed: Running, is_it: Callable[[Event], bool]) -> Event:
    """The next event that is the one."""
    while True:
        told: Event = json.loads(await followed.line())
        if is_it(told):
            return told


async def test_ticks_deliveries_pauses_and_reloads_are_told_as_they_happen(tmp_path: Path) -> None:
    async with two_jobs(tmp_path) as daemon, tail(daemon, "--json") as followed:
        ticked = await event(followed, lambda told: told["event"] == "tick" and told["job_id"] == "inbox")
        assert (ticked["status"], ticked["items_seen"]) == ("ok", 2)

        await daemon.command("pause", "inbox", "--reason", "the shop moves")
        paused = await event(followed, lambda told: told["event"] == "state")
        assert (paused["job_id"], paused["change"]) == ("inbox", "paused")
        assert paused["reason"].endswith(": the shop moves")

        await daemon.command("reset", "inbox", "--yes")
        delivered = await event(followed, lambda told: told["event"] == "delivery")
        assert (delivered["job_id"], delivered["outcome"]) == ("inbox", "delivered")

        write_config(tmp_path, api_job("http://127.0.0.1:9/", "news"), admin=SOCKET)
        await daemon.command("reload")
        reloaded = await event(followed, lambda told: told["event"] == "reload")
        assert (reloaded["replace"], reloaded["remove"]) == (["news"], ["inbox"])


async def test_an_event_is_a_line_for_people(tmp_path: Path) -> None:
    async with two_jobs(tmp_path) as daemon, tail(daemon, "news") as followed:
        await daemon.command("pause", "inbox", "--reason", "not asked for")
        await daemon.command("pause", "news", "--reason", "the shop moves")
        lines = [await followed.line()]
        while "the shop moves" not in lines[-1]:
            lines.append(await followed.line())
    assert {line.split()[2] for line in lines} == {"news"}
    assert lines[-1].split()[1:4] == ["state", "news", "paused"]


async def test_control_c_ends_it_without_a_word(tmp_path: Path) -> None:
    async with two_jobs(tmp_path) as daemon, tail(daemon) as followed:
        assert await followed.ended_by(SIGINT) == 130
    assert followed.stderr == b""


async def test_the_end_of_the_daemon_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    async with two_jobs(tmp_path) as daemon, tail(daemon) as followed:
        assert await daemon.daemon.ended_by(SIGTERM) == 0
        assert await followed.process.wait() == 3
    assert followed.stderr.startswith(b"Error: no daemon answers at unix:admin.sock (as the file's `admin:` says): ")
    assert followed.stderr.count(b"\n") == 1


async def test_a_stream_that_ends_well_is_the_end_of_the_daemon_too(tmp_path: Path) -> None:
    ended = Response(body=b"retry: 2000\n\n: still here\n\n" + b'event: lost\ndata: {"at_ms": 0, "count": 3}\n\n')
    async with http_server({"/admin/pollers/events": lambda _: ended}) as server:
        followed = await command("tail", "--admin", server.url(""), cwd=tmp_path, status=3)
    assert followed.stdout.split(maxsplit=1)[1] == "lost      3 events: this reader is too slow\n"
    assert "it has ended the stream of events" in followed.stderr


async def test_a_job_that_is_not_there_is_said_and_not_waited_for(tmp_path: Path) -> None:
    async with two_jobs(tmp_path) as daemon:
        refused = await daemon.command("tail", "inbix", status=1)
    assert "there is no job 'inbix'; did you mean 'inbox'?" in refused.stderr
