"""Lines of JSON on stdout, with real pipes."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from attrs import frozen
from trio.testing import wait_all_tasks_blocked

from nexo_poller.broker import Event
from nexo_poller.channels.hops import in_threads
from nexo_poller.channels.stdout import Lines, Stdout
from nexo_poller.errors import BrokerUnavailable, ConfigError
from nexo_poller.event import event_json

MORE_THAN_A_PIPE_HOLDS = 300_000


@frozen
class Pipe:
    reader: int
    writer: int

    def read_lines(self) -> list[bytes]:
        """All lines up to the end; closes the writing end."""
        os.close(self.writer)
        with os.fdopen(os.dup(self.reader), "rb") as file:
            return file.read().splitlines(keepends=True)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(*os.pipe())
    yield pipe
    for fd in (pipe.reader, pipe.writer):
        try:
            os.close(fd)
        except OSError:
            continue  # the test has closed it


def event(text: str, n: int = 0) -> Event:
    return Event(
        id=f"id-{n}",
        timestamp=datetime(2026, 3, 1, tzinfo=UTC),
        topic="plugin.outbound.telegram",
        source="plugin.poller",
        session_id=None,
        payload={"text": text},
    )


async def test_an_event_is_one_line_of_its_json(pipe: Pipe) -> None:
    stdout = Stdout(Lines(pipe.writer), in_threads(1))
    events = [event("two\nlines"), event("für €")]
    for one in events:
        await stdout(one)
    assert pipe.read_lines() == [event_json(one) + b"\n" for one in events]


async def test_lines_sent_at_once_are_never_mixed_not_even_by_two_runners(pipe: Pipe) -> None:
    one_runner, another = [Stdout(Lines(pipe.writer), in_threads(1)) for _ in range(2)]
    events = [event(str(n) * MORE_THAN_A_PIPE_HOLDS, n) for n in range(4)]
    got: list[bytes] = []
    async with trio.open_nursery() as nursery:
        for one in events:
            nursery.start_soon(one_runner, one)
            nursery.start_soon(another, one)
        expected = 2 * sum(len(event_json(one)) + 1 for one in events)
        while sum(map(len, got)) < expected:
            got.append(await trio.to_thread.run_sync(os.read, pipe.reader, 65_536))
    assert sorted(b"".join(got).splitlines()) == sorted(2 * [event_json(one) for one in events])


async def test_a_reader_that_does_not_read_holds_up_nothing_else_and_gets_whole_lines_later(pipe: Pipe) -> None:
    stdout = Stdout(Lines(pipe.writer), in_threads(1))
    stuck, after = event("a" * MORE_THAN_A_PIPE_HOLDS), event("b")
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stdout, stuck)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stdout, after)
            await wait_all_tasks_blocked()
            expected = event_json(stuck) + b"\n" + event_json(after) + b"\n"
            got = b""
            while len(got) < len(expected):
                got += await trio.to_thread.run_sync(os.read, pipe.reader, 65_536)
    assert got == expected


async def test_a_reader_that_has_gone_says_nothing_of_the_message(pipe: Pipe) -> None:
    os.close(pipe.reader)
    with pytest.raises(BrokerUnavailable, match="stdout: Broken pipe"):
        await Stdout(Lines(pipe.writer), in_threads(1))(event("a"))


def test_what_follows_half_a_line_begins_on_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "out"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("wb") as file:
        lines = Lines(file.fileno())
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # a disk that is full after 10 bytes
        try:
            for _ in range(2):
                with pytest.raises(BrokerUnavailable, match="File too large"):
                    lines.write(b"0123456789abc\n")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        lines.write(b"0123456789abc\n")
        lines.write(b"next\n")
    assert path.read_bytes() == b"0123456789\n0123456789abc\nnext\n"


def test_a_descriptor_that_somebody_made_non_blocking_gets_the_whole_line(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    line = b"a" * MORE_THAN_A_PIPE_HOLDS + b"\n"
    got: list[bytes] = []

    def read() -> None:
        while sum(map(len, got)) < len(line):
            got.append(os.read(pipe.reader, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    Lines(pipe.writer).write(line)
    reader.join(10)
    assert b"".join(got) == line


def test_no_stdout_is_a_mistake_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(ConfigError, match="this process has none"):
        Lines.to_stdout()


STUCK = """
import sys, trio
from nexo_poller.channels.hops import in_threads
from nexo_poller.channels.stdout import Lines

async def main():
    with trio.move_on_after(0.2):
        lines = Lines.to_stdout()
        await in_threads(1)(lambda: lines.write(b"a" * 1_000_000))
    sys.stderr.write("stopped")

trio.run(main)
"""


def test_a_process_whose_stdout_nobody_reads_can_still_end(pipe: Pipe) -> None:
    child = subprocess.run(
        [sys.executable, "-c", STUCK], stdout=pipe.writer, stderr=subprocess.PIPE, timeout=30, check=False
    )
    assert (child.returncode, child.stderr) == (0, b"stopped")
