"""How commands print: columns in a pipe, tables on a terminal, and nothing at all once nobody reads."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from command import NEXO_POLLER, nexo_poller
from http_server import Response, http_server
from job_files import api_job, orders, write_config
from operating import Operated, operated
from rich.text import Text
from terminal import on_a_terminal

from nexo_poller.cli.how_it_is import note_on
from nexo_poller.cli.moments import since, until
from nexo_poller.cli.printing import Column, plain_lines
from nexo_poller.cli.tail import parts_of

STYLE = re.compile(r"\x1b\[[0-9;]*m")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9/"
PAUSED = {**api_job(NOWHERE, "inbox"), "paused_on_boot": True}


@asynccontextmanager
async def ticking(folder: Path, *jobs: Mapping[str, Any]) -> AsyncIterator[Operated]:
    """A daemon with these jobs, and one that ticks every second."""
    async with (
        http_server({"/orders": lambda _: orders(1)}) as server,
        operated(folder, *jobs, api_job(server.url("/orders"), "ticking")) as daemon,
    ):
        yield daemon


async def on_its_terminal(daemon: Operated, *arguments: str, **more: Any) -> str:
    """What a command shows there."""
    run = partial(on_a_terminal, (*NEXO_POLLER, *arguments), cwd=daemon.folder, **more)
    status, shown = await trio.to_thread.run_sync(run)
    assert status == 0, shown
    return shown


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() -> None:
    columns = (Column("ID"), Column("ERRORS", "right"), Column("NOTE"))
    assert [*plain_lines(columns, [("inbox-of-ana", "2", "x"), ("日本", "10", "")])] == [
        "ID            ERRORS  NOTE",
        "inbox-of-ana       2  x",
        "日本              10",
    ]


def test_what_a_cell_says_cannot_speak_to_the_terminal_or_break_the_line() -> None:
    evil = "\x1b[2J\nnext [bold]"
    (_, *lines) = plain_lines((Column("NOTE"),), [(evil,), (Text(evil),)])
    assert lines == [r"\x1b[2J\nnext [bold]"] * 2


def test_moments_are_told_relative_to_now() -> None:
    noon_ms = int(NOON.timestamp() * 1000)
    assert since(noon_ms, NOON + timedelta(seconds=12)) == "12 s ago"
    assert until(noon_ms, NOON - timedelta(seconds=185)) == "in 3 min 05 s"
    assert since(None, NOON) == until(None, NOON) == "-"


def test_a_job_that_is_silent_for_too_long_says_so() -> None:
    assert note_on({"state": "failing", "stale": True, "last_error": None}) == "no success for too long"
    assert note_on({"state": "failing", "stale": True, "last_error": "500"}) == "500; no success for too long"


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        (
            "tick",
            {
                "status": "ok",
                "duration_ms": 140,
                "items_seen": 2,
                "items_dispatched": 1,
                "messages": 1,
                "error": None,
            },
            "ok  140 ms  2 seen, 1 dispatched, 1 message",
        ),
        ("delivery", {"outcome": "dead", "topic": "plugin.outbound.inbox", "error": "400"}, "dead  plugin.outbound.inbox  400"),
        ("state", {"change": "paused", "reason": "ana: the shop moves"}, "paused  ana: the shop moves"),
        ("reload", {"add": ["a", "b"], "replace": [], "remove": ["c"], "keep": 7}, "add a, b  remove c"),
        ("lost", {"count": 1}, "1 event: this reader is too slow"),
        ("from a later daemon", {"x": 1}, '{"x": 1}'),
    ],
)  # fmt: skip
def test_an_event_is_told_in_a_line(kind: str, data: dict[str, object], line: str) -> None:
    assert "  ".join(filter(None, parts_of(kind, data))) == line


async def test_a_terminal_gets_tables_with_colours_and_a_pipe_plain_columns(tmp_path: Path) -> None:
    wrong = {**api_job(NOWHERE, "wrong"), "kind": "webhok"}
    async with operated(tmp_path, PAUSED, wrong) as daemon:
        shown = await on_its_terminal(daemon, "list")
        assert STYLE.search(shown)
        plain = STYLE.sub("", shown)
        assert "─" in plain
        assert max(map(len, plain.splitlines())) <= 100
        assert "did you mean 'webhook_poll'?" in " ".join(plain.split())
        assert "paused" in plain, "the colour says nothing that the word does not"

        piped = await daemon.says("list")
        assert not STYLE.search(piped)
        assert "─" not in piped
        assert [line.split()[0] for line in piped.splitlines()] == ["ID", "inbox", "wrong"]

        facts = await on_its_terminal(daemon, "show", "inbox")
        assert STYLE.search(facts)
        assert "paused_on_boot" in facts
        assert not STYLE.search(await daemon.says("show", "inbox"))


async def test_an_empty_table_is_said_on_a_terminal_and_only_a_header_in_a_pipe(tmp_path: Path) -> None:
    async with operated(tmp_path, PAUSED) as daemon:
        assert await on_its_terminal(daemon, "dlq", "list") == "there are no dead letters\r\n"
        assert await on_its_terminal(daemon, "outbox") == "nothing waits\r\n"
        assert await on_its_terminal(daemon, "history", "inbox") == "the job has never run\r\n"
        assert (await daemon.says("dlq", "list")).count("\n") == 1


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (80, ["ID", "KIND", "AGENT", "STATE", "ERRORS", "LAST RUN", "NEXT RUN"]),
        (60, ["ID", "STATE", "ERRORS", "LAST RUN", "NEXT RUN"]),
        (40, ["ID", "STATE", "ERRORS"]),
    ],
)
async def test_on_a_narrow_terminal_ids_and_states_stay_whole_and_notes_go_below(
    tmp_path: Path, columns: int, titles: list[str]
) -> None:
    wrong = {**api_job(NOWHERE, "the-orders-of-ana"), "kind": "webhok"}
    async with operated(tmp_path, PAUSED, wrong) as daemon:
        lines = STYLE.sub("", await on_its_terminal(daemon, "list", columns=columns)).splitlines()
    assert max(map(len, lines)) <= columns
    assert re.split(r" {2,}", lines[0]) == titles
    by_id = {line.split()[0]: line for line in lines if line[:1].isalpha()}
    assert " paused " in by_id["inbox"]
    assert " rejected " in by_id["the-orders-of-ana"]
    note = " ".join(" ".join(lines[lines.index(by_id["the-orders-of-ana"]) + 1 :]).split())
    assert note.startswith("NOTE ")
    assert "did you mean 'webhook_poll'?" in note
    assert max(map(len, lines)) > columns / 2, "the note takes the width that there is"


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (80, ["ID", "JOB", "TOPIC", "DIED", "REFUSALS"]),
        (60, ["ID", "JOB", "TOPIC", "DIED", "REFUSALS"]),
        (40, ["ID", "JOB", "DIED"]),
    ],
)
async def test_on_a_narrow_terminal_a_dead_letter_has_its_error_and_its_text_below(
    tmp_path: Path, columns: int, titles: list[str]
) -> None:
    routes = {"/orders": lambda _: orders(1), "/inbox": lambda _: Response(status=400, body=b"no such room, ask ana")}
    async with http_server(routes) as server:
        job = api_job(server.url("/orders"), message_template="a new order has come in, and its number is {id}")
        channels = {"*": server.url("/inbox")}
        async with operated(tmp_path, job, channels=channels, pollers={"max_delivery_attempts": 1}) as daemon:
            while not await daemon.json("dlq", "list"):
                pass
            lines = STYLE.sub("", await on_its_terminal(daemon, "dlq", "list", columns=columns)).splitlines()
    assert max(map(len, lines)) <= columns
    assert re.split(r" {2,}", lines[0].strip()) == titles
    assert lines[2].split()[:2] == ["1", "orders"]
    below = " ".join(" ".join(lines[3:]).split())
    assert re.fullmatch(r"ERROR .*400.* TEXT a new order has come in, and its number is 1", below)


async def test_an_id_is_whole_on_a_terminal_that_is_narrower(tmp_path: Path) -> None:
    long = "orders-" + "x" * 60
    async with operated(tmp_path, {**PAUSED, "id": long}) as daemon:
        shown = STYLE.sub("", await on_its_terminal(daemon, "list", columns=40))
    assert f"\n{long}  paused" in shown


async def test_no_colour_and_no_bold_where_the_user_wants_none(tmp_path: Path) -> None:
    wrong = {**api_job(NOWHERE, "wrong"), "kind": "webhok"}
    async with operated(tmp_path, PAUSED, wrong):
        for arguments in (["list"], ["show", "inbox"], ["check"]):
            run = partial(on_a_terminal, (*NEXO_POLLER, *arguments), cwd=tmp_path)
            assert STYLE.search((await trio.to_thread.run_sync(run))[1]), arguments
            run = partial(run, env={"NO_COLOR": "1"})
            assert "\x1b" not in (await trio.to_thread.run_sync(run))[1], arguments


async def test_a_full_disk_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    on_a_file = ["--help", "check", "check --json", "schema", "next inbox", "next inbox --json", "completion bash"]
    on_a_daemon = [
        "list",
        "list --json",
        "show inbox",
        "cursor show inbox --json",
        "history inbox",
        "outbox",
        "tools",
        "tail",
    ]
    async with ticking(tmp_path, PAUSED) as daemon:
        for command in (*on_a_file, *on_a_daemon):
            done = await daemon.shell(f"nexo-poller {command} >/dev/full")
            assert done.stderr == "Error: [Errno 28] No space left on device\n", command
            assert done.returncode == 1, command


async def test_a_dry_tick_on_a_full_disk_is_one_line_too(tmp_path: Path) -> None:
    async with ticking(tmp_path) as daemon:
        for command in ("test ticking", "test ticking --json", "run ticking --dry-run", "run ticking --json"):
            done = await daemon.shell(f"nexo-poller {command} >/dev/full")
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


async def test_a_reader_that_has_seen_enough_is_no_fault(tmp_path: Path) -> None:
    many = [{**api_job(NOWHERE, f"orders-{n}-{'x' * 100}"), "paused_on_boot": True} for n in range(300)]
    async with ticking(tmp_path, *many) as daemon:
        for command in ("list", "list --json", "schema", "tail", "tail --json"):
            done = await daemon.shell(f"nexo-poller {command} | head -c 20")
            assert (done.stderr, len(done.stdout)) == ("", 20), command


def test_help_needs_no_daemon_and_names_every_command(tmp_path: Path) -> None:
    told = nexo_poller("--help", cwd=tmp_path).stdout
    for command in ("list", "show", "pause", "tail", "dlq", "completion"):
        assert f"\n  {command} " in told
    assert "\n    0  clean\n" in nexo_poller("check", "--help", cwd=tmp_path).stdout, "exit codes keep their lines"


async def test_where_there_is_no_stdout_nothing_is_printed(tmp_path: Path) -> None:
    async with operated(tmp_path, PAUSED) as daemon:
        for command in ("list", "show inbox", "history inbox", "list --json"):
            done = await daemon.shell(f"nexo-poller {command} >&-")
            assert (done.returncode, done.stderr) == (0, ""), command


async def test_what_is_no_text_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    async with operated(tmp_path, PAUSED) as daemon:
        for command in (r"pause inbox --reason $'\xff'", r"show $'\xff'", "mcp --agent ''", f"mcp --agent {'a' * 129}"):
            done = await daemon.shell(f"nexo-poller {command} </dev/null")
            assert done.returncode == 2, command
            assert "Traceback" not in done.stderr, command


async def test_json_of_another_server_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with http_server({"/admin/pollers": lambda _: Response(body=b'{"it": "works"}')}) as server:
        run = partial(nexo_poller, "list", "--admin", server.url(""), cwd=tmp_path, status=1)
        refused = await trio.to_thread.run_sync(run)
    assert "answered 200, and not as a nexo-poller does" in refused.stderr


async def test_a_page_of_another_server_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with http_server({"/admin/pollers": lambda _: Response(body=b"<h1>it works</h1>")}) as server:
        run = partial(nexo_poller, "list", "--admin", server.url(""), cwd=tmp_path, status=1)
        refused = await trio.to_thread.run_sync(run)
    assert "answered 200, and not as a nexo-poller does" in refused.stderr
