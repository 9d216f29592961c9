"""What an operator's commands do to a daemon in a process of its own: not what they print, but what becomes of it."""

import json
import os
import pwd
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field
from http_server import Request, Response, http_server
from job_files import api_job, orders, write_config
from operating import SOCKET, Operated, operated

ME = pwd.getpwuid(os.getuid()).pw_name


@define(eq=False)
class Shop:
    """The API that jobs poll, each at a path of its own; counts, waits for and holds up what they ask."""

    url: str = ""
    orders: list[int] = field(factory=lambda: [1, 2])
    asked: Counter[str] = field(factory=Counter)
    held: set[str] = field(factory=set)
    _changed: trio.Event = field(factory=trio.Event)

    def job(self, job_id: str) -> dict[str, Any]:
        return api_job(f"{self.url}/{job_id}", job_id)

    async def answer(self, request: Request) -> Response:
        job_id = request.path.removeprefix("/")
        self.asked[job_id] += 1
        self._change()
        while job_id in self.held:
            await self._changed.wait()
        return Response(status=500) if job_id == "failing" else orders(*self.orders)

    async def asked_by(self, job_id: str, times: int) -> None:
        """Return once a job has asked so many times in all."""
        while self.asked[job_id] < times:
            await self._changed.wait()

    def let_go(self, job_id: str) -> None:
        self.held.remove(job_id)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


@asynccontextmanager
async def operated_shop(folder: Path) -> AsyncIterator[tuple[Operated, Shop]]:
    """A daemon with five jobs that poll a shop every second: one fails, one is wrong, one is paused."""
    shop = Shop()
    ids = ("inbox", "news", "failing", "paused", "wrong")
    async with http_server({f"/{job_id}": shop.answer for job_id in ids}) as server:
        shop.url = server.url("")
        jobs = {job_id: shop.job(job_id) for job_id in ids}
        jobs["paused"]["paused_on_boot"] = True
        jobs["wrong"]["kind"] = "webhok"
        async with operated(folder, *jobs.values()) as daemon:
            yield daemon, shop


async def test_list_and_show_tell_how_every_job_is(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        await shop.asked_by("failing", 1)
        await daemon.daemon.said("transient")
        jobs = {job["id"]: job for job in await daemon.json("list")}
        assert jobs.keys() == {"inbox", "news", "failing", "paused", "wrong"}
        assert jobs["failing"]["consecutive_errors"] > 0
        header, *rows = (await daemon.says("list")).splitlines()
        assert header.split()[:4] == ["ID", "KIND", "AGENT", "STATE"]
        states = {row.split()[0]: row.split()[3] for row in rows}
        assert states == {
            "inbox": "running",
            "news": "running",
            "failing": "failing",
            "paused": "paused",
            "wrong": "rejected",
        }
        assert "did you mean 'webhook_poll'?" in rows[-1]
        facts = dict(line.split(maxsplit=1) for line in (await daemon.says("show", "wrong")).splitlines())
        assert facts["state"] == "rejected"
        shown = await daemon.says("show", "inbox")
        assert "schedule          every_secs: 1" in shown
        assert '"first_tick": "all"' in shown
        assert (await daemon.json("show", "inbox"))["schedule"] == {"every_secs": 1}


async def test_a_paused_job_does_not_tick_and_says_who_paused_it_and_why(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        await shop.asked_by("inbox", 1)
        assert await daemon.says("pause", "inbox", "--reason", "the shop moves") == "inbox is paused\n"
        before = shop.asked["inbox"]
        await shop.asked_by("news", shop.asked["news"] + 3)
        assert shop.asked["inbox"] == before
        shown = await daemon.json("show", "inbox")
        assert (shown["paused"], shown["pause_reason"]) == (True, f"{ME}: the shop moves")
        assert await daemon.json("pause", "news") == {"ok": True, "paused": True, "changed": True}
        assert await daemon.says("pause", "news", "--reason", "too late") == (
            "news was paused already, and keeps its reason\n"
        )
        assert (await daemon.json("show", "news"))["pause_reason"] == ME


async def test_a_resumed_job_ticks_again(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        assert shop.asked["paused"] == 0
        assert await daemon.says("resume", "paused") == "paused goes on\n"
        await shop.asked_by("paused", 2)
        assert not (await daemon.json("show", "paused"))["paused"]
        assert await daemon.json("resume", "paused") == {"ok": True, "paused": False, "changed": False}
        assert await daemon.says("resume", "paused") == "paused was not paused\n"


async def test_a_run_ticks_a_paused_job_once_and_sends_what_it_finds(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        for job_id in ("inbox", "news"):
            await daemon.command("pause", job_id)
        delivered = [(await daemon.delivered())["text"] for _ in range(4)]
        assert sorted(delivered) == ["order 1", "order 1", "order 2", "order 2"]
        shop.orders.append(3)
        assert await daemon.says("run", "inbox") == "3 items came, 1 message on the way\n"
        assert (await daemon.delivered())["text"] == "order 3"
        assert (await daemon.json("show", "inbox"))["paused"]
        shop.orders.append(4)
        report = await daemon.json("run", "inbox")
        assert report == {
            "ok": True,
            "status": "ok",
            "items_seen": 4,
            "items_dispatched": 1,
            "deliveries": 1,
            "error": None,
        }


async def test_a_dry_run_shows_what_it_would_send_and_changes_nothing(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, _):
        said = await daemon.says("run", "paused", "--dry-run")
        assert said.splitlines() == [
            "2 items came, 2 messages would be sent",
            "  plugin.outbound.inbox, to ana:",
            "    order 1",
            "  plugin.outbound.inbox, to ana:",
            "    order 2",
        ]
        messages = (await daemon.json("run", "paused", "--dry-run"))["messages"]
        assert [message["payload"]["text"] for message in messages] == ["order 1", "order 2"]
        assert (await daemon.json("cursor", "show", "paused"))["cursor"] is None
        assert await daemon.json("history", "paused") == []


async def test_a_run_that_fails_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, _):
        for more in ([], ["--json"], ["--dry-run"]):
            failed = await daemon.command("run", "failing", *more, status=1)
            assert failed.stdout == ""
            assert failed.stderr.startswith("Error: ")
            assert "500" in failed.stderr
            assert failed.stderr.count("\n") == 1


async def test_a_reset_job_has_no_cursor_and_starts_over(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        await daemon.command("pause", "news")
        await shop.asked_by("inbox", 2)
        await daemon.command("pause", "inbox")
        before = await daemon.json("cursor", "show", "inbox")
        assert before["size"] > 0
        delivered = [(await daemon.delivered())["text"] for _ in range(4)]

        refused = await daemon.command("reset", "inbox", status=2)
        assert "add --yes" in refused.stderr
        assert await daemon.json("cursor", "show", "inbox") == before

        shop.held.add("inbox")
        asked = shop.asked["inbox"]
        assert await daemon.says("reset", "inbox", "--yes") == "inbox starts over\n"
        await shop.asked_by("inbox", asked + 1)
        assert (await daemon.json("cursor", "show", "inbox"))["cursor"] is None
        assert "has no cursor" in (await daemon.command("cursor", "show", "inbox")).stderr
        shop.let_go("inbox")
        delivered += [(await daemon.delivered())["text"] for _ in range(2)]
        assert Counter(delivered) == {"order 1": 3, "order 2": 3}
        assert await daemon.json("reset", "inbox", "--yes") == {"ok": True, "reset": True}


async def test_the_history_has_the_latest_ticks_first(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        await shop.asked_by("inbox", 4)
        await daemon.command("pause", "inbox")
        ticks = await daemon.json("history", "inbox")
        assert len(ticks) >= 3
        assert [tick["fence"] for tick in ticks] == sorted((tick["fence"] for tick in ticks), reverse=True)
        header, first, second = (await daemon.says("history", "inbox", "-n", "2")).splitlines()
        assert header.split() == ["STARTED", "STATUS", "TOOK", "SEEN", "DISPATCHED", "MESSAGES", "ERROR"]
        assert " ok " in first
        assert " ok " in second


async def test_a_reload_takes_the_whole_file_or_nothing_and_says_what_is_wrong_where(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        inbox, news = shop.job("inbox"), shop.job("news")
        write_config(tmp_path, inbox, {**news, "kindd": "rss"}, admin=SOCKET)
        for more in ([], ["--dry-run"], ["--json"]):
            refused = await daemon.command("reload", *more, status=1)
            assert re.match(r"Error: config/pollers\.yaml:1:\d+: job 'news': unknown key 'kindd'", refused.stderr)
            assert refused.stdout == ""
        assert len(await daemon.json("list")) == 5

        write_config(tmp_path, inbox, {**news, "misfire": "skip"}, admin=SOCKET)
        plan = {"ok": True, "add": [], "replace": ["news"], "remove": ["failing", "paused"], "keep": ["inbox"]}
        assert await daemon.json("reload", "--dry-run") == plan
        assert len(await daemon.json("list")) == 5
        assert (await daemon.says("reload")).splitlines() == [
            "replace  news",
            "remove   failing",
            "remove   paused",
            "add 0, replace 1, remove 2, keep 1",
        ]
        assert [job["id"] for job in await daemon.json("list")] == ["inbox", "news"]
        assert (await daemon.json("show", "news"))["misfire"] == "skip"
        asked = shop.asked.copy()
        await shop.asked_by("inbox", asked["inbox"] + 2)
        await shop.asked_by("news", asked["news"] + 2)
        assert shop.asked["failing"] == asked["failing"]


async def test_a_cursor_goes_out_and_in_again_byte_for_byte(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, shop):
        await shop.asked_by("inbox", 2)
        assert "pause" in (await daemon.command("cursor", "set", "inbox", "--none", status=1)).stderr
        await daemon.command("pause", "inbox")
        before = await daemon.json("cursor", "show", "inbox")
        assert f"digest  {before['digest']}" in await daemon.says("cursor", "show", "inbox")
        tmp_path.joinpath("saved").write_text(await daemon.says("cursor", "show", "inbox", "--raw"))

        assert await daemon.says("cursor", "set", "inbox", "--none") == "inbox has no cursor now\n"
        assert (await daemon.json("show", "inbox"))["cursor"] is None
        assert await daemon.says("cursor", "set", "inbox", "--file", "saved") == "inbox has another cursor\n"
        assert await daemon.json("cursor", "show", "inbox") == before
        assert (await daemon.json("cursor", "set", "inbox", before["text"]))["digest"] == before["digest"]


@define(eq=False)
class Sink:
    """A channel; answers with `status`, and remembers the ids of the events that came."""

    status: int
    ids: list[str] = field(factory=list)
    _came: trio.Event = field(factory=trio.Event)

    def answer(self, request: Request) -> Response:
        self.ids.append(json.loads(request.body)["id"])
        self._came.set()
        self._came = trio.Event()
        return Response(status=self.status)

    async def got(self, count: int) -> None:
        """Return once so many events have come."""
        while len(self.ids) < count:
            await self._came.wait()


@asynccontextmanager
async def operated_sink(folder: Path, status: int) -> AsyncIterator[tuple[Operated, Sink]]:
    """A daemon whose two messages go to a channel that answers with `status`."""
    sink = Sink(status)
    async with http_server({"/orders": lambda _: orders(1, 2), "/inbox": sink.answer}) as server:
        channels = {"*": server.url("/inbox")}
        settings = {"max_delivery_attempts": 1}
        async with operated(folder, api_job(server.url("/orders")), channels=channels, pollers=settings) as daemon:
            yield daemon, sink


async def test_the_outbox_lists_what_waits(tmp_path: Path) -> None:
    async with operated_sink(tmp_path, 503) as (daemon, _):
        await daemon.daemon.said("503")
        waiting = await daemon.json("outbox")
        assert [message["payload"]["text"] for message in waiting] == ["order 1", "order 2"]
        header, *rows = (await daemon.says("outbox")).splitlines()
        assert header.split()[:3] == ["ID", "JOB", "TOPIC"]
        assert [row.rsplit("  ", 1)[1] for row in rows] == ["order 1", "order 2"]
        page = await daemon.command("outbox", "-n", "1")
        assert page.stderr == f"there may be more: --after {waiting[0]['id']}\n"
        (rest,) = await daemon.json("outbox", "--after", str(waiting[0]["id"]))
        assert rest == waiting[1]


async def test_dead_letters_are_listed_replayed_discarded_and_purged(tmp_path: Path) -> None:
    async with operated_sink(tmp_path, 400) as (daemon, sink):

        async def dead(count: int) -> list[dict[str, Any]]:
            while True:
                letters: list[dict[str, Any]] = await daemon.json("dlq", "list")
                if len(letters) == count:
                    return letters

        first, second = await dead(2)
        assert [first["event_id"], second["event_id"]] == sink.ids
        assert "order 1" in (await daemon.says("dlq", "list")).splitlines()[1]

        sink.status = 200
        assert "is in the outbox again" in await daemon.says("dlq", "replay", str(first["id"]))
        assert [letter["id"] for letter in await dead(1)] == [second["id"]]
        await sink.got(3)
        assert sink.ids[2] == first["event_id"]

        assert "add --yes" in (await daemon.command("dlq", "purge", status=2)).stderr
        assert len(await daemon.json("dlq", "list")) == 1
        assert await daemon.json("dlq", "discard", str(second["id"])) == {"ok": True, "deleted": 1}
        assert await daemon.json("dlq", "list") == []
        assert await daemon.json("dlq", "purge", "--yes") == {"ok": True, "deleted": 0}
        gone = await daemon.command("dlq", "replay", str(first["id"]), status=1)
        assert gone.stderr.startswith("Error: there is no dead letter")


async def test_purge_deletes_all_dead_letters(tmp_path: Path) -> None:
    async with operated_sink(tmp_path, 400) as (daemon, _):
        while len(await daemon.json("dlq", "list")) < 2:
            pass
        assert await daemon.says("dlq", "purge", "--yes") == "deleted 2 dead letters\n"
        assert await daemon.json("dlq", "list") == []


async def test_the_tools_for_language_models_are_listed(tmp_path: Path) -> None:
    async with operated_shop(tmp_path) as (daemon, _):
        names = {tool["name"] for tool in await daemon.json("tools")}
        assert {"pollers_list", "pollers_reset"} < names
        assert {line.split()[0] for line in (await daemon.says("tools")).splitlines()[1:]} == names


async def test_a_job_that_is_not_there_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    on_a_job = ["show", "run", "pause", "resume", "reset --yes", "history", "cursor show", "cursor set --none"]
    async with operated_shop(tmp_path) as (daemon, _):
        for command in on_a_job:
            refused = await daemon.command(*command.split(), "inbix", status=1)
            assert refused.stderr.startswith("Error: there is no job 'inbix'")
            assert refused.stderr.count("\n") == 1
            assert refused.stdout == ""
