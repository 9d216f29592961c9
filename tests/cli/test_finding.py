"""Where commands look for the daemon, and what they say where none is, or where it wants to see a token."""

import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final

import click
import pytest
from attrs import evolve
from command import NEXO_POLLER, nexo_poller, running
from job_files import api_job, write_config
from operating import SOCKET, Operated, command, operated

from nexo_poller.cli.finding import find_daemon

PAUSED: Final = {**api_job("http://127.0.0.1:9/", "inbox"), "paused_on_boot": True}
NOBODY: Final = "127.0.0.1:9"
TOKEN: Final = "a-token-of-the-file"
ON_A_DAEMON: Final = (
    *("list", "show inbox", "run inbox", "pause inbox", "resume inbox", "reset inbox --yes", "reload", "history inbox"),
    *("tail", "cursor show inbox", "cursor set inbox --none", "outbox", "dlq list", "dlq replay 1", "dlq discard 1"),
    *("dlq purge --yes", "tools", "call pollers_list --agent ana"),
)


def found(folder: Path, *, address: str | None = None) -> tuple[str, str | None]:
    """Where a command with these options looks, and the token that it would show there."""
    daemon = find_daemon(click.Context(click.Command("list")), address, folder)
    return daemon.place, daemon.token


@asynccontextmanager
async def serving(folder: Path, *options: str, **sections: Any) -> AsyncIterator[Operated]:
    """A daemon started with these options, and a shell beside its file."""
    write_config(folder, PAUSED, **sections)
    async with running((*NEXO_POLLER, "serve", *options), cwd=folder) as daemon:
        await daemon.said("serving ")
        yield Operated(folder, daemon)


async def test_a_port_is_found_by_option_by_variable_and_as_a_url(tmp_path: Path) -> None:
    async with serving(tmp_path, "--admin", "127.0.0.1:0") as daemon:
        listens = re.search(rb"127\.0\.0\.1:\d+", daemon.daemon.stderr)
        assert listens
        address = listens[0].decode()
        await daemon.command("show", "inbox", "--admin", address)
        await daemon.command("show", "inbox", "--admin", f"http://{address}")
        await command("show", "inbox", cwd=tmp_path, env={"NEXO_POLLER_ADMIN": address})
        await command("show", "inbox", "--admin", address, cwd=tmp_path, env={"NEXO_POLLER_ADMIN": NOBODY})


async def test_a_socket_is_found_by_option_and_in_the_file_from_any_folder(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with operated(tmp_path, PAUSED) as daemon:
        await daemon.command("list")
        await command("list", "--admin", "unix:../admin.sock", cwd=elsewhere)
        write_config(tmp_path, PAUSED, admin={"bind": f"unix:{tmp_path}/admin.sock"})
        await command("list", "--config", "../config", cwd=elsewhere)


async def test_a_socket_beside_the_database_is_found_without_a_word_and_a_dead_one_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with serving(tmp_path, "--admin", "unix:./data/admin.sock") as daemon:
        assert [job["id"] for job in await daemon.json("list")] == ["inbox"]
        await daemon.daemon.ended_by(SIGKILL)
    assert tmp_path.joinpath("data", "admin.sock").exists()
    assert found(tmp_path / "config")[0] == "127.0.0.1:9091 (the default)"


async def test_a_section_is_found_in_a_file_whose_jobs_are_all_wrong(tmp_path: Path) -> None:
    async with operated(tmp_path, PAUSED) as daemon:
        write_config(tmp_path, {"id": "${NOT_SET_ANYWHERE}"}, admin=SOCKET, chanels={})
        listed = await daemon.command("list")
    assert (len(listed.stdout.splitlines()), listed.stderr) == (2, "")


@pytest.mark.parametrize("asked", ON_A_DAEMON)
def test_without_a_daemon_every_command_says_in_a_line_where_it_looked(tmp_path: Path, asked: str) -> None:
    done = nexo_poller(*asked.split(), "--admin", NOBODY, cwd=tmp_path, status=3)
    assert done.stdout == ""
    assert re.fullmatch(
        rf"Error: no daemon answers at {NOBODY} \(--admin\): .+\(start `nexo-poller serve`.+\)\n", done.stderr
    )


@pytest.mark.parametrize(
    ("sections", "env", "place"),
    [
        ({"admin": {"bind": NOBODY}}, {}, f"{NOBODY} (as the file's `admin:` says)"),
        ({"admin": {"bind": NOBODY}}, {"NEXO_POLLER_ADMIN": "unix:gone"}, "unix:gone (NEXO_POLLER_ADMIN)"),
        ({"admin": {"bind": "unix:gone"}}, {"NEXO_POLLER_ADMIN": ""}, "unix:gone (as the file's `admin:` says)"),
    ],
)
def test_it_says_who_told_it_to_look_there(
    tmp_path: Path, sections: Mapping[str, Any], env: Mapping[str, str], place: str
) -> None:
    write_config(tmp_path, **sections)
    assert f"no daemon answers at {place}: " in nexo_poller("list", cwd=tmp_path, env=env, status=3).stderr


def test_without_a_file_it_looks_where_daemons_are_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    daemon = find_daemon(click.Context(click.Command("list")), None, None)
    assert (daemon.place, daemon.token) == ("127.0.0.1:9091 (the default)", None)


def test_a_faulty_section_is_shown_and_a_missing_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    write_config(tmp_path, admin={"bind": "here"})
    told = nexo_poller("list", "--admin", NOBODY, cwd=tmp_path, status=3).stderr
    assert "'here' is no address to listen on" in told
    assert "elsewhere" in nexo_poller("list", "--config", "elsewhere", cwd=tmp_path, status=2).stderr


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["--admin", "here"], {}, "'here' is no address"),
        (["--admin", "unix:"], {}, "'unix:' is no address"),
        ([], {"NEXO_POLLER_ADMIN": "here"}, "'here' is no address"),
        ([], {"NEXO_POLLER_TOKEN": "two words"}, "NEXO_POLLER_TOKEN holds no token"),
    ],
)
def test_what_is_no_address_or_no_token_is_refused(
    tmp_path: Path, arguments: list[str], env: Mapping[str, str], words: str
) -> None:
    assert words in nexo_poller("list", *arguments, cwd=tmp_path, env=env, status=2).stderr


async def test_the_token_is_the_files_or_that_of_the_variable_and_a_wrong_one_is_said(tmp_path: Path) -> None:
    tmp_path.joinpath("config").mkdir()
    tmp_path.joinpath("config", "token").write_text(f"{TOKEN}\n")
    admin = {**SOCKET, "token": "${file:token}"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    there = ("list", "--admin", "unix:../admin.sock")
    async with operated(tmp_path, PAUSED, admin=admin) as daemon:
        await daemon.command("list")
        without = await command(*there, cwd=elsewhere, status=1)
        assert "wants a token: set NEXO_POLLER_TOKEN" in without.stderr
        wrong = await command(*there, cwd=elsewhere, env={"NEXO_POLLER_TOKEN": "another"}, status=1)
        assert "wants another token: set NEXO_POLLER_TOKEN" in wrong.stderr
        assert wrong.stderr.count("\n") == 1
        await command(*there, cwd=elsewhere, env={"NEXO_POLLER_TOKEN": TOKEN})
        await command("list", cwd=tmp_path, env={"NEXO_POLLER_TOKEN": "another"}, status=1)


@pytest.mark.parametrize(
    ("address", "token"),
    [
        (None, TOKEN),
        ("127.0.0.1:1234", TOKEN),
        ("[::1]:1234", TOKEN),
        ("http://localhost:1234", TOKEN),
        ("unix:admin.sock", TOKEN),
        ("192.0.2.1:9091", None),
        ("https://ops.example", None),
        ("https://localhost.example:9091", None),
    ],
)
def test_the_files_token_goes_to_no_other_machine_than_the_file_names(
    tmp_path: Path, address: str | None, token: str | None
) -> None:
    write_config(tmp_path, admin={"bind": "ops.example:9091", "token": TOKEN})
    assert found(tmp_path / "config", address=address)[1] == token


def test_a_token_is_not_in_the_words_for_a_daemon(tmp_path: Path) -> None:
    write_config(tmp_path, admin={"token": TOKEN})
    daemon = find_daemon(click.Context(click.Command("list")), None, tmp_path / "config")
    assert TOKEN not in repr(evolve(daemon, place="here"))


@pytest.mark.parametrize(("mode", "place"), [(0o600, "found here"), (0o777, "the default")])
def test_a_socket_that_others_may_write_to_is_told_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: int, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, PAUSED)
    (tmp_path / "data").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("data/admin.sock")
        listener.listen()
        (tmp_path / "data" / "admin.sock").chmod(mode)
        assert found(tmp_path / "config")[0].endswith(f"({place})")
    assert ("left alone" in capsys.readouterr().err) == (mode == 0o777)
