import gc
import os
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import trio
from programs import MARK, WAYS_OUT, Programs, descriptors, impolite, zombies
from trio.testing import wait_all_tasks_blocked

from nexo_poller.errors import TransientError
from nexo_poller.plugins.lines import LineTooLong
from nexo_poller.plugins.process import Child, environment, spawned
from nexo_poller.plugins.router import Entrypoint

LONG = timedelta(minutes=1)
SOON = 30.0
MB = 2**20


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


async def rest(child: Child) -> list[bytes]:
    lines = []
    while (line := await child.receive_line()) is not None:
        lines.append(line)
    return lines


async def output_of(entrypoint: Entrypoint, env: Mapping[str, str] | None = None) -> list[str]:
    with trio.fail_after(SOON):
        async with spawned(entrypoint, env or {}) as child:
            return [line.decode() for line in await rest(child)]


async def end_of(entrypoint: Entrypoint) -> str:
    with trio.fail_after(SOON):
        async with spawned(entrypoint, {}) as child:
            await child.wait()
            return child.ended


async def test_lines_go_in_and_come_out_and_the_end_of_one_is_the_end_of_the_other(programs: Programs) -> None:
    async with spawned(programs.entrypoint("cat"), {}) as child:
        await child.send(b"one\n")
        assert await child.receive_line() == b"one"
        await child.send(b"two\nthr")
        await child.send(b"ee")
        child.close_stdin()
        assert await rest(child) == [b"two", b"three"]
        assert (await child.wait(), child.ended) == (0, "exit status 0")


async def test_it_inherits_no_more_than_anybody_may_know(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "hunter2")
    monkeypatch.setenv("TZ", "Europe/Vienna")
    lines = await output_of(programs.entrypoint("/usr/bin/env", COLOUR="red", SIZE="1"), {"SIZE": "2"})
    there = dict(line.split("=", 1) for line in lines)
    assert there == {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR") if name in os.environ},
        MARK: programs.mark,
        "COLOUR": "red",
        "SIZE": "2",
    }


async def test_no_process_of_it_has_the_secrets_of_ours(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "hunter2")
    async with spawned(programs.entrypoint("cat"), {}) as child:
        await child.send(b"up\n")
        assert await child.receive_line() == b"up"
        [guardian, plugin] = [process.environ() for process in programs.processes()]
        for one in (guardian, plugin):
            assert "hunter2" not in " ".join(one.values())


def test_what_the_daemon_says_goes_before_the_manifest_and_that_before_what_is_inherited(programs: Programs) -> None:
    entrypoint = programs.entrypoint("true", HOME="/manifest", NAME="manifest")
    ours = {"HOME": "/root", "PATH": "/bin", "TOKEN": "secret"}
    assert environment(entrypoint, {"NAME": "daemon"}, ours) == {
        "PATH": "/bin",
        "HOME": "/manifest",
        "NAME": "daemon",
        MARK: programs.mark,
    }


async def test_arguments_arrive_as_they_are_for_no_shell_reads_them(programs: Programs) -> None:
    odd = ("$HOME", "a b", "; rm", "*", "ä\udcff", "")
    lines = await output_of(programs.python("import os, sys; print(*map(os.fsencode, sys.argv[1:]), sep='\\n')", *odd))
    assert lines == [str(os.fsencode(one)) for one in odd]


async def test_it_runs_in_its_folder(programs: Programs) -> None:
    assert await output_of(programs.entrypoint("pwd", "-P")) == [str(programs.folder)]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("vanished", "No such file or directory"),
        ("vanished/plugin", "No such file or directory"),
        (".", "Permission denied"),
        ("not-executable", "Permission denied"),
        ("no-program", "Exec format error"),
    ],
)
async def test_a_command_that_cannot_be_run_is_told_with_its_reason(
    programs: Programs, command: str, reason: str
) -> None:
    (programs.folder / "not-executable").write_text("#!/bin/sh\n")
    no_program = programs.folder / "no-program"
    no_program.write_text("exit 0\n")
    no_program.chmod(0o700)
    path = str(programs.folder / command)
    ended = await end_of(programs.entrypoint(path))
    assert ended == f"exit status 127; stderr: cannot run '{path}' in {programs.folder}: {reason}"


async def test_a_folder_that_has_vanished_is_told(programs: Programs) -> None:
    gone = Entrypoint(command="true", args=(), env={}, folder=programs.folder / "gone")
    assert (
        await end_of(gone) == f"exit status 127; stderr: cannot run 'true' in {gone.folder}: No such file or directory"
    )


async def test_what_no_process_can_be_given_is_a_transient_error(programs: Programs) -> None:
    open_before = descriptors()
    with pytest.raises(TransientError, match=r"'.*true' cannot be started: embedded null byte"):
        async with spawned(programs.entrypoint("true", "\0"), {}):
            pass
    assert descriptors() == open_before


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ("exit 3", "exit status 3"),
        ("kill -SEGV $$", "ended by signal 11 (Segmentation fault)"),
        ("kill -KILL $$", "ended by signal 9 (Killed)"),
        ("echo Boom. >&2; exit 1", "exit status 1; stderr: Boom."),
        (r"printf 'one\n\ntwo \377' >&2", "exit status 0; stderr: one | two \ufffd"),
    ],
)
async def test_its_end_is_told_as_if_it_had_no_guardian(programs: Programs, script: str, ended: str) -> None:
    assert await end_of(programs.sh(script)) == ended


async def test_signals_mean_in_the_plugin_what_they_mean_anywhere(programs: Programs) -> None:
    as_before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)  # as in a shell's background
    try:
        [ignored, blocked] = await output_of(programs.sh("grep -E 'SigIgn|SigBlk' /proc/self/status | sort -r"))
    finally:
        signal.signal(signal.SIGQUIT, as_before)
    assert int(ignored.split()[1], 16) == int(blocked.split()[1], 16) == 0


async def test_it_has_three_descriptors_and_a_session_of_its_own(programs: Programs) -> None:
    [opened, session] = await output_of(
        programs.python("import os; print(sorted(os.listdir('/proc/self/fd'))); print(os.getsid(0) == os.getpid())")
    )
    assert (opened, session) == ("['0', '1', '2', '3']", "True")  # the fourth is the listing's own


async def test_a_terminals_signals_reach_neither_it_nor_its_guardian(programs: Programs) -> None:
    async with spawned(programs.entrypoint("cat"), {}):
        [guardian] = psutil.Process().children()
        assert os.getsid(guardian.pid) == guardian.pid


async def test_whoever_waits_for_its_end_has_heard_everything(programs: Programs) -> None:
    heard: list[str] = []

    async def hear(line: str) -> None:
        await trio.sleep(0.1)
        heard.append(line)

    async with spawned(programs.sh("echo one >&2; printf two >&2"), {}, hear) as child:
        await child.wait()
        assert heard == ["one", "two"]


async def test_a_flood_on_stderr_is_drained_and_told_in_part(programs: Programs) -> None:
    heard: list[str] = []

    async def hear(line: str) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(line)

    flood = "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); echo line $i of the flood; done >&2; echo done"
    async with spawned(programs.sh(flood), {}, hear) as child:
        assert await child.receive_line() == b"done"
        assert await child.wait() == 0
        assert [*child.last_words.lines] == [f"line {n} of the flood" for n in range(49_969, 50_001)]
    assert heard[:32] == [f"line {n} of the flood" for n in range(1, 33)]
    assert len(heard) < 500


async def test_stderr_without_a_newline_is_drained_and_cut(programs: Programs) -> None:
    source = "import sys; [sys.stderr.write('x' * 2**20) for _ in range(8)]; sys.stderr.flush(); print('done')"
    async with spawned(programs.python(source), {}) as child:
        assert await child.receive_line() == b"done"
        await child.wait()
        assert [*child.last_words.lines] == [" …"]


async def test_a_gigabyte_without_a_newline_ends_at_four_megabytes(programs: Programs) -> None:
    before = psutil.Process().memory_info().rss
    async with spawned(programs.sh("head -c 1G /dev/zero"), {}) as child:
        with pytest.raises(LineTooLong, match="a line of more than 4,194,304 bytes"):
            await child.receive_line()
        assert child.status is None
    assert psutil.Process().memory_info().rss - before < 64 * MB
    assert programs.processes() == []


async def test_a_line_of_four_megabytes_arrives_whole(programs: Programs) -> None:
    async with spawned(programs.entrypoint("cat"), {}) as child:
        await child.send(b"x" * 4 * MB + b"\n")
        assert await child.receive_line() == b"x" * 4 * MB


async def test_half_a_line_is_told_at_the_end(programs: Programs) -> None:
    assert await output_of(programs.sh("echo whole; printf half")) == ["whole", "half"]


async def test_a_child_that_does_not_read_holds_up_whoever_writes_and_nobody_else(programs: Programs) -> None:
    with trio.fail_after(SOON):
        async with spawned(programs.sh("echo here; exec sleep 1000"), {}) as child:
            await child.send(b"x" * MB + b"\n")
            with trio.move_on_after(0.1) as too_long:
                await child.send(b"never sent\n")
            assert too_long.cancelled_caught
            assert await child.receive_line() == b"here"
    assert programs.processes() == []


async def test_cancelling_whoever_sends_leaves_no_half_a_line(programs: Programs) -> None:
    async with spawned(programs.sh("read go; exec cat"), {}) as child:
        with trio.CancelScope() as scope:
            await child.send(b"go\n" + b"x" * MB + b"\n")
            scope.cancel()
            await child.send(b"cancelled\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child.send, b"next\n")
            assert [await child.receive_line(), await child.receive_line()] == [b"x" * MB, b"next"]


async def test_who_sends_to_a_child_that_has_closed_its_stdin_is_told(programs: Programs) -> None:
    with trio.fail_after(SOON):
        async with spawned(programs.sh("exec 0<&-; echo closed; exec sleep 1000"), {}) as child:
            assert await child.receive_line() == b"closed"
            await child.send(b"into the void\n")
            with pytest.raises(trio.BrokenResourceError):
                await child.send(b"told\n")
            await wait_all_tasks_blocked()
            assert child.status is None


async def test_a_child_that_closes_its_stdout_and_lives_on_has_said_all(programs: Programs) -> None:
    with trio.fail_after(SOON):
        async with spawned(programs.sh("echo last; exec 1>&-; exec sleep 1000"), {}) as child:
            assert [await child.receive_line(), await child.receive_line()] == [b"last", None]
            assert (child.status, child.ended) == (None, "it still runs")
    assert programs.processes() == []


@pytest.mark.parametrize("way_out", WAYS_OUT)
async def test_leaving_the_block_leaves_no_process(programs: Programs, way_out: str) -> None:
    open_before = descriptors()
    async with spawned(programs.python(impolite(WAYS_OUT[way_out])), {}) as child:
        assert await child.receive_line() == b"ready"
        assert len(programs.processes()) == 3  # with the guardian
    assert (programs.processes(), zombies(), descriptors()) == ([], [], open_before)


@pytest.mark.parametrize("way_out", WAYS_OUT)
async def test_what_a_plugin_leaves_behind_ends_after_it_and_holds_no_pipe_open(
    programs: Programs, way_out: str
) -> None:
    with trio.fail_after(SOON):
        async with spawned(programs.python(impolite(WAYS_OUT[way_out], then="sys.exit(3)")), {}) as child:
            assert await rest(child) == [b"ready"]
            assert (await child.wait(), programs.processes()) == (3, [])


async def test_whoever_forks_faster_than_one_can_look_is_caught_by_the_group(programs: Programs) -> None:
    chain = "import os, signal\nsignal.signal(15, signal.SIG_IGN)\nwhile True:\n  if os.fork(): os._exit(0)"
    with trio.fail_after(SOON):
        async with spawned(programs.python(chain), {}) as child:
            await child.wait()
    assert programs.processes() == []


async def test_orphans_of_a_plugin_that_lives_on_are_no_zombies(programs: Programs) -> None:
    forks = "import os, sys\nfor _ in range(20):\n  if os.fork() == 0:\n    os.fork(); os._exit(0)\n  os.wait()\n"
    async with spawned(programs.python(forks + "print('forked', flush=True); sys.stdin.read()"), {}) as child:
        assert await child.receive_line() == b"forked"
        [guardian] = psutil.Process().children()
        with trio.fail_after(SOON):
            while len(guardian.children()) > 1:  # noqa: ASYNC110 - nobody tells of it
                await trio.sleep(0.01)


async def test_stopping_asks_first(programs: Programs) -> None:
    polite = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.05; done"
    async with spawned(programs.sh(polite), {}) as child:
        assert await child.receive_line() == b"ready"
        assert await child.stop(LONG) == 4
        assert await child.receive_line() == b"bye"
        assert programs.processes() == []


async def test_stopping_does_not_ask_for_long(programs: Programs) -> None:
    async with spawned(programs.python(impolite("os.setsid()")), {}) as child:
        assert await child.receive_line() == b"ready"
        assert await child.stop(timedelta(milliseconds=50)) == -signal.SIGKILL
        assert programs.processes() == []


async def test_stopping_what_has_ended_tells_how_it_ended(programs: Programs) -> None:
    async with spawned(programs.sh("exit 5"), {}) as child:
        await child.wait()
        assert await child.stop(LONG) == 5


async def test_a_cancelled_block_leaves_nothing(programs: Programs) -> None:
    open_before = descriptors()
    with trio.CancelScope() as scope:
        async with spawned(programs.python(impolite("os.setsid()")), {}) as child:
            assert await child.receive_line() == b"ready"
            scope.cancel()
            await child.receive_line()
    assert scope.cancelled_caught
    assert (programs.processes(), zombies(), descriptors()) == ([], [], open_before)


async def test_cancelled_before_it_began_it_leaves_nothing(programs: Programs) -> None:
    open_before = descriptors()
    with trio.CancelScope() as scope:
        scope.cancel()
        async with spawned(programs.sh("exec sleep 1000"), {}) as child:
            await child.receive_line()
    assert (programs.processes(), zombies(), descriptors()) == ([], [], open_before)


async def test_what_the_block_raises_comes_out_in_no_group(programs: Programs) -> None:
    with pytest.raises(KeyError):
        async with spawned(programs.sh("exec sleep 1000"), {}):
            raise KeyError
    assert programs.processes() == []


async def test_fifty_restarts_leak_nothing(programs: Programs) -> None:
    async def restart() -> None:
        async with spawned(programs.entrypoint("cat"), {}) as child:
            await child.send(b"x" * MB + b"\n")
            assert await child.receive_line() == b"x" * MB

    for _ in range(5):
        await restart()
    gc.collect()
    opened, memory = descriptors(), psutil.Process().memory_info().rss
    for _ in range(50):
        await restart()
    gc.collect()
    assert (programs.processes(), zombies(), descriptors()) == ([], [], opened)
    assert psutil.Process().memory_info().rss - memory < 16 * MB


async def test_if_somebody_kills_the_guardian_the_plugin_ends_too(programs: Programs) -> None:
    with trio.fail_after(SOON):
        async with spawned(programs.python("import time; print('ready', flush=True); time.sleep(1_000)"), {}) as child:
            assert await child.receive_line() == b"ready"
            [guardian] = psutil.Process().children()
            guardian.kill()
            assert await child.receive_line() is None
            assert (await child.wait(), programs.processes()) == (-signal.SIGKILL, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_for_the_guardian_ends_the_plugin(programs: Programs, number: int) -> None:
    with trio.fail_after(SOON):
        async with spawned(programs.python(impolite("os.setsid()")), {}) as child:
            assert await child.receive_line() == b"ready"
            [guardian] = psutil.Process().children()
            guardian.send_signal(number)
            assert (await child.wait(), programs.processes()) == (-signal.SIGKILL, [])
