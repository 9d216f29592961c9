"""`nexo-poller serve`, in a process of its own."""

import json
import re
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Any

import trio
from command import NEXO_POLLER, Running, nexo_poller, running
from http_server import Request, Response, http_server
from job_files import api_job, orders, write_config

SERVE = (*NEXO_POLLER, "serve", "--no-admin")


def logged(daemon: Running) -> list[dict[str, Any]]:
    """The log records so far; fails unless each line is one."""
    return [json.loads(line) for line in daemon.stderr.decode().splitlines()]


async def test_deliveries_go_to_stdout_and_records_to_stderr_each_a_json_line(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(1, 2)}) as server:
        write_config(tmp_path, api_job(server.url("/orders")))
        async with running(SERVE, cwd=tmp_path) as daemon:
            events = [json.loads(await daemon.line()) for _ in range(2)]
            assert await daemon.ended_by(SIGTERM) == 0
            assert await daemon.line() == ""
    assert [event["payload"] for event in events] == [
        {"text": "order 1", "to": "ana"},
        {"text": "order 2", "to": "ana"},
    ]
    assert {"info"} == {record["level"] for record in logged(daemon)}
    assert "serving 1 job," in logged(daemon)[0]["message"]


async def test_a_signal_lets_the_tick_under_way_end_and_commit(tmp_path: Path) -> None:
    asked, answer = trio.Event(), trio.Event()

    async def slow(_request: Request) -> Response:
        asked.set()
        await answer.wait()
        return orders(1)

    async with http_server({"/orders": slow}) as server:
        write_config(tmp_path, api_job(server.url("/orders")))
        async with running(SERVE, cwd=tmp_path) as daemon:
            await asked.wait()
            daemon.process.send_signal(SIGINT)
            await daemon.said("SIGINT: stopping")
            answer.set()
            assert await daemon.process.wait() == 0
            delivered = [line async for line in daemon.lines()]
        server.routes["/orders"] = lambda _request: Response(status=500)
        async with running(SERVE, cwd=tmp_path) as daemon:
            delivered += [await daemon.line()] if not delivered else []
    assert [json.loads(line)["payload"]["text"] for line in delivered] == ["order 1"]


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    asked = trio.Event()

    async def silent(_request: Request) -> Response:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    async with http_server({"/orders": silent}) as server:
        write_config(tmp_path, api_job(server.url("/orders")))
        async with running(SERVE, cwd=tmp_path) as daemon:
            await asked.wait()
            daemon.process.send_signal(SIGTERM)
            await daemon.said("SIGTERM: stopping")
            assert await daemon.ended_by(SIGTERM) == 128 + SIGTERM
    assert "Traceback" not in daemon.stderr.decode()


async def test_a_job_that_is_wrong_is_logged_and_its_siblings_run(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(7)}) as server:
        url = server.url("/orders")
        unknown = {**api_job(url, "odd"), "kind": "webhook_pol"}
        write_config(tmp_path, unknown, api_job(url, first_tik="all"), api_job(url, "good"))
        async with running(SERVE, cwd=tmp_path) as daemon:
            assert json.loads(await daemon.line())["payload"]["text"] == "order 7"
            assert await daemon.ended_by(SIGTERM) == 0
    complaints = "\n".join(record["message"] for record in logged(daemon) if record["level"] == "error")
    assert "job 'odd'" in complaints
    assert "job 'orders'" in complaints


async def test_channels_of_the_file_take_the_place_of_stdout(tmp_path: Path) -> None:
    arrived = trio.Event()

    def inbox(_request: Request) -> Response:
        arrived.set()
        return Response()

    async with http_server({"/orders": lambda _request: orders(1), "/inbox": inbox}) as server:
        write_config(tmp_path, api_job(server.url("/orders")), channels={"inbox": server.url("/inbox")})
        async with running(SERVE, cwd=tmp_path) as daemon:
            await arrived.wait()
            assert await daemon.ended_by(SIGTERM) == 0
            assert await daemon.line() == ""


async def test_a_subsystem_that_is_switched_off_waits_for_a_signal(tmp_path: Path) -> None:
    write_config(tmp_path, api_job("http://127.0.0.1:9/"), pollers={"enabled": False})
    async with running(SERVE, cwd=tmp_path) as daemon:
        await daemon.said("`pollers.enabled` is false")
        assert await daemon.ended_by(SIGTERM) == 0
    assert not tmp_path.joinpath("data").exists()


async def test_no_secret_of_the_file_is_in_the_log(tmp_path: Path) -> None:
    secrets = {"HEADER": "s3cret-header-value", "QUERY": "s3cret-query-value", "ID": "s3cret-job"}

    def refuse(request: Request) -> Response:
        return Response(status=500, body=f"{request.target} {request.headers}".encode())

    async with http_server({"/orders": refuse}) as server:
        url = server.url("/orders?key=${QUERY}")
        write_config(tmp_path, api_job(url, "${ID}", headers={"X-Key": "${HEADER}"}))
        async with running((*SERVE, "--log-level", "debug"), cwd=tmp_path, env=secrets) as daemon:
            await daemon.said("transient")
            assert await daemon.ended_by(SIGTERM) == 0
    assert server.requests[0].headers["x-key"] == secrets["HEADER"]
    assert "s3cret" not in daemon.stderr.decode()


def test_a_path_that_is_not_there_is_said_with_exit_code_2(tmp_path: Path) -> None:
    assert "there is no configuration at 'config'" in nexo_poller("serve", cwd=tmp_path, status=2).stderr
    named = nexo_poller("serve", "--config", "elsewhere.yaml", cwd=tmp_path, status=2)
    assert "'elsewhere.yaml'" in named.stderr


def test_a_file_that_is_refused_is_told_with_all_its_problems(tmp_path: Path) -> None:
    tmp_path.joinpath("pollers.yaml").write_text("pollers:\n  enabeld: true\n  breaker_threshold: many\n  jobs: []\n")
    told = nexo_poller("serve", "--config", "pollers.yaml", cwd=tmp_path, status=1).stderr
    assert "pollers.yaml:2:" in told
    assert "pollers.yaml:3:" in told


def test_a_database_that_is_none_is_one_line_with_exit_code_1(tmp_path: Path) -> None:
    tmp_path.joinpath("poller.db").write_text("this is no database, " * 100)
    write_config(tmp_path, api_job("http://127.0.0.1:9/"), pollers={"state_db": "poller.db"})
    lines = nexo_poller("serve", cwd=tmp_path, status=1).stderr.splitlines()
    assert "poller.db" in lines[-1]
    assert lines[-1].startswith("Error: ")


async def test_sighup_exchanges_what_differs_and_nothing_if_anything_is_wrong(tmp_path: Path) -> None:
    async with http_server({"/orders": lambda _request: orders(1)}) as server:
        jobs = [api_job(server.url("/orders"), f"orders-{n}") for n in range(50)]
        write_config(tmp_path, *jobs)
        async with running(SERVE, cwd=tmp_path) as daemon:
            for _ in jobs:
                await daemon.line()
            write_config(tmp_path, *jobs[:7], {**jobs[7], "kindd": "rss"}, *jobs[8:])
            daemon.process.send_signal(SIGHUP)
            await daemon.said("kindd")
            write_config(tmp_path, *jobs[:7], {**jobs[7], "misfire": "skip"}, *jobs[8:])
            daemon.process.send_signal(SIGHUP)
            await daemon.said("0 added, 1 replaced, 0 removed, 49 kept")
            (tmp_path / "config" / "pollers.yaml").unlink()
            daemon.process.send_signal(SIGHUP)
            await daemon.said("is gone")
            assert await daemon.ended_by(SIGTERM) == 0
    messages = [record["message"] for record in logged(daemon)]
    assert sum(message.startswith("reloaded") for message in messages) == 1
    (told,) = [message for message in messages if "kindd" in message]
    assert "pollers.yaml:" in told
    assert "job 'orders-7'" in told


def ignored_signals(pid: int) -> set[int]:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(re.findall(r"SigIgn:\s*(\w+)", status)[0], 16)
    return {number + 1 for number in range(64) if mask >> number & 1}


async def test_a_hangup_while_it_starts_is_no_reason_to_die(tmp_path: Path) -> None:
    write_config(tmp_path, {**api_job("http://127.0.0.1:9/", "inbox"), "paused_on_boot": True})
    async with running((*NEXO_POLLER, "serve", "--no-admin"), cwd=tmp_path) as daemon:
        while SIGHUP not in ignored_signals(daemon.process.pid):  # noqa: ASYNC110 - the interpreter still starts
            await trio.sleep(0.005)
        daemon.process.send_signal(SIGHUP)
        await daemon.said("serving ")
