"""Reloads of the real daemon: a mistake changes nothing, and a change touches nobody else."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGHUP, SIGTERM
from typing import Any

import httpx
import trio
from attrs import define
from command import NEXO_POLLER, Running, free_port, running
from http_server import Request, Response, Server, http_server
from job_files import api_job, orders, write_config

HOURLY = {"every_secs": 3600}
NAMES = [f"orders-{n}" for n in range(50)]
CHANGED = NAMES[7]
UNDER_WAY = NAMES[3]


def write_jobs(folder: Path, server: Server, changed: dict[str, Any], jobs: list[str] = NAMES) -> None:
    """Fifty jobs, an entry a line, so that a line of the file tells which of them is meant."""
    entries = [{**api_job(server.url(f"/{name}"), name), "schedule": HOURLY} for name in jobs]
    lines = [json.dumps({**entry, **changed} if entry["id"] == CHANGED else entry) for entry in entries]
    text = "pollers:\n  default_jitter_ms: 0\n  jobs:\n" + "".join(f"  - {line}\n" for line in lines)
    folder.joinpath("config").mkdir(exist_ok=True)
    folder.joinpath("config", "pollers.yaml").write_text(text)


def line_of(job: str) -> str:
    return f"pollers.yaml:{4 + NAMES.index(job)}:"


@define(eq=False)
class Reloaded:
    """A daemon with fifty jobs that have run, but for one whose tick waits for `answer`."""

    folder: Path
    server: Server
    daemon: Running
    client: httpx.AsyncClient
    answer: trio.Event

    async def jobs(self) -> dict[str, dict[str, Any]]:
        return {job["id"]: job for job in (await self.client.get("/admin/pollers")).raise_for_status().json()}

    def asked(self, name: str) -> int:
        return sum(request.path == f"/{name}" for request in self.server.requests)


@asynccontextmanager
async def fifty_jobs(folder: Path) -> AsyncIterator[Reloaded]:
    answer, address = trio.Event(), f"127.0.0.1:{free_port()}"

    async def slow(_: Request) -> Response:
        await answer.wait()
        return orders(3)

    routes = {f"/{name}": lambda _request: orders(1) for name in NAMES}
    async with http_server({**routes, f"/{UNDER_WAY}": slow}) as server:
        write_jobs(folder, server, {})
        async with (
            running((*NEXO_POLLER, "serve", "--admin", address), cwd=folder) as daemon,
            httpx.AsyncClient(base_url=f"http://{address}", timeout=30, trust_env=False) as client,
        ):
            for _ in range(len(NAMES) - 1):
                await daemon.line()
            reloaded = Reloaded(folder, server, daemon, client, answer)
            while any(job["pending_messages"] for job in (await reloaded.jobs()).values()):  # noqa: ASYNC110 - of a process
                await trio.sleep(0.02)  # a line is on stdout a moment before the outbox knows
            yield reloaded
            assert await daemon.ended_by(SIGTERM) == 0


async def test_a_typo_in_one_of_fifty_jobs_changes_nothing_and_its_mending_replaces_that_job_alone(
    tmp_path: Path,
) -> None:
    async with fifty_jobs(tmp_path) as reloaded:
        before = await reloaded.jobs()

        write_jobs(tmp_path, reloaded.server, {"schedule": {"every_sec": 60}})
        refused = await reloaded.client.post("/admin/pollers/reload")
        assert refused.status_code == 400
        assert line_of(CHANGED) in refused.json()["error"]
        assert f"job '{CHANGED}'" in refused.json()["error"]
        assert "did you mean 'every_secs'?" in refused.json()["error"]
        assert {problem["job"] for problem in refused.json()["problems"]} == {CHANGED}
        assert await reloaded.jobs() == before

        reloaded.daemon.process.send_signal(SIGHUP)
        await reloaded.daemon.said(line_of(CHANGED))
        assert await reloaded.jobs() == before

        write_jobs(tmp_path, reloaded.server, {"schedule": {"every_secs": 7200}})
        done = (await reloaded.client.post("/admin/pollers/reload")).raise_for_status().json()
        kept = sorted({*NAMES} - {CHANGED})
        assert done == {"ok": True, "add": [], "replace": [CHANGED], "remove": [], "keep": kept}
        after = await reloaded.jobs()
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        assert after[CHANGED]["next_run_at_ms"] - before[CHANGED]["next_run_at_ms"] == 3_600_000

        reloaded.answer.set()  # the tick that was under way all the time is one of a kept job, and ends as it began
        assert json.loads(await reloaded.daemon.line())["payload"]["text"] == "order 3"
        assert [reloaded.asked(name) for name in NAMES] == [1] * len(NAMES)


async def test_a_removed_job_leaves_the_scrape_and_finds_its_cursor_when_it_comes_back(tmp_path: Path) -> None:
    async with fifty_jobs(tmp_path) as reloaded:
        of_changed = f'job_id="{CHANGED}"'
        cursor = (await reloaded.client.get(f"/admin/pollers/{CHANGED}/cursor")).raise_for_status().json()
        assert of_changed in (await reloaded.client.get("/metrics")).text
        write_jobs(tmp_path, reloaded.server, {}, [name for name in NAMES if name != CHANGED])
        (await reloaded.client.post("/admin/pollers/reload")).raise_for_status()
        scraped = (await reloaded.client.get("/metrics")).text
        assert of_changed not in scraped
        assert f'job_id="{NAMES[8]}"' in scraped
        assert (await reloaded.client.get(f"/admin/pollers/{CHANGED}")).status_code == 404

        write_jobs(tmp_path, reloaded.server, {})
        (await reloaded.client.post("/admin/pollers/reload")).raise_for_status()
        assert (await reloaded.client.get(f"/admin/pollers/{CHANGED}/cursor")).json() == cursor
        ran = (await reloaded.client.post(f"/admin/pollers/{CHANGED}/run")).raise_for_status().json()
        assert (ran["items_seen"], ran["items_dispatched"]) == (1, 0)
        assert of_changed in (await reloaded.client.get("/metrics")).text
        reloaded.answer.set()


async def test_a_watched_file_is_gone_by_once_it_has_settled(tmp_path: Path) -> None:
    watching = (*NEXO_POLLER, "serve", "--no-admin", "--watch")
    async with http_server({"/orders": lambda _request: orders(1)}) as server:
        jobs = [api_job(server.url("/orders"), name) for name in ("a", "b")]
        write_config(tmp_path, jobs[0])
        async with running(watching, cwd=tmp_path) as daemon:
            await daemon.line()
            write_config(tmp_path, *jobs)
            await daemon.said("reloaded: 1 added, 0 replaced, 0 removed, 1 kept")
            await daemon.line()
            write_config(tmp_path, {**jobs[0], "kind": "webhook_pol"}, jobs[1])
            await daemon.said("did you mean 'webhook_poll'?")
            write_config(tmp_path, jobs[1])
            await daemon.said("the file has no more 'a'")
            daemon.process.send_signal(SIGHUP)
            await daemon.said("reloaded: 0 added, 0 replaced, 1 removed, 1 kept")
            assert await daemon.ended_by(SIGTERM) == 0
    told = [json.loads(line)["message"] for line in daemon.stderr.decode().splitlines()]
    assert sum("reloaded" in message for message in told) == 4
