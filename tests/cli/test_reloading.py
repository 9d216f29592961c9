"""The watch over the file, in virtual time: files are real, and nothing waits for them."""

import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define
from daemon import Daemon, daemon, nothing
from trio.testing import MockClock

from nexo_poller.cli.reloading import Reloading
from nexo_poller.config.folder import fingerprint
from nexo_poller.config.model import Config
from nexo_poller.config.reading import load_config
from nexo_poller.poller import PollContext, TickAck


def content(*job_ids: str, **more: Any) -> str:
    """A file with these jobs, all alike."""
    schedule = {"every_secs": 60, "stagger_jitter_ms": 0}
    jobs = [{"id": job_id, "kind": "script", "agent": "ana", "schedule": schedule, **more} for job_id in job_ids]
    return json.dumps({"pollers": {"jobs": jobs}})


@define(eq=False)
class Watched:
    """A daemon whose file is watched."""

    file: Path
    daemon: Daemon
    reloading: Reloading
    caplog: pytest.LogCaptureFixture

    async def jobs(self) -> list[str]:
        return [view.id for view in await self.daemon.runner.list_jobs()]

    def said(self, text: str) -> int:
        """How many lines of the log since the start have this text."""
        return sum(text in message for message in self.caplog.messages)


Watch = Callable[..., Any]


@pytest.fixture
def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Watch:
    """`async with watched():` a daemon on a file with the job `a`."""
    caplog.set_level(logging.INFO)
    file = tmp_path / "pollers.yaml"

    async def look() -> str:
        await trio.lowlevel.checkpoint()
        return fingerprint(tmp_path)

    @asynccontextmanager
    async def watching(act: Any = nothing) -> AsyncIterator[Watched]:
        if not file.exists():
            file.write_text(content("a"))
        async with daemon(tmp_path, act=act) as running, trio.open_nursery() as nursery:
            running.runner.source = lambda: load_config(tmp_path)
            reloading = Reloading(running.runner, look)
            await reloading.reload()
            caplog.clear()
            nursery.start_soon(reloading.watch)
            yield Watched(file, running, reloading, caplog)
            nursery.cancel_scope.cancel()

    return watching


async def test_a_change_counts_when_it_has_stayed_the_same_for_two_seconds(
    watched: Watch, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        for n in range(10):
            watch.file.write_text(content("a", f"b-{n}"))
            await trio.sleep(1.5)
            assert await watch.jobs() == ["a"]
        await trio.sleep(2)
        assert await watch.jobs() == ["a", "b-9"]
        await trio.sleep(60)
    assert watch.said("reloaded") == 1


async def test_the_same_content_written_again_is_no_change(watched: Watch, autojump_clock: MockClock) -> None:
    async with watched() as watch:
        for later in (0, 1_000_000_000, 2_000_000_000):
            watch.file.write_text(content("a"))
            os.utime(watch.file, (later, later))
            await trio.sleep(10)
    assert watch.said("reloaded") == 0


async def test_a_change_that_keeps_size_and_date_is_one(watched: Watch, autojump_clock: MockClock) -> None:
    async with watched() as watch:
        before = watch.file.stat()
        watch.file.write_text(content("a", agent="bob"))
        os.utime(watch.file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert watch.file.stat().st_size == before.st_size
        await trio.sleep(5)
        assert (await watch.daemon.runner.job("a")).agent == "bob"


def rename_over(file: Path) -> Iterator[None]:
    new = file.with_suffix(".new")
    new.write_text(content("a", "b"))
    new.replace(file)
    yield


def go_and_come_back(file: Path) -> Iterator[None]:
    file.unlink()
    yield
    file.write_text(content("a")[:50])
    yield
    file.write_text(content("a", "b"))
    yield


@pytest.mark.parametrize("edit", [rename_over, go_and_come_back])
async def test_editors_may_write_as_they_please(
    watched: Watch, autojump_clock: MockClock, edit: Callable[[Path], Iterator[None]]
) -> None:
    async with watched() as watch:
        for _ in edit(watch.file):
            await trio.sleep(1.5)
        await trio.sleep(3)
        assert await watch.jobs() == ["a", "b"]
    assert watch.said("not reloaded") == 0


async def test_a_mounted_config_map_is_followed_through_its_symlinks(
    watched: Watch, autojump_clock: MockClock, tmp_path: Path
) -> None:
    def publish(name: str, text: str) -> None:
        """As the kubelet does it: a new folder, and `..data` turned to it in one step."""
        folder = tmp_path / name
        folder.mkdir()
        folder.joinpath("pollers.yaml").write_text(text)
        tmp_path.joinpath("..data_tmp").symlink_to(name)
        tmp_path.joinpath("..data_tmp").rename(tmp_path / "..data")

    publish("..2026_01_01", content("a"))
    tmp_path.joinpath("pollers.yaml").symlink_to("..data/pollers.yaml")
    async with watched() as watch:
        publish("..2026_01_02", content("a", "b"))
        await trio.sleep(5)
        assert await watch.jobs() == ["a", "b"]


async def test_a_change_that_would_remove_jobs_is_told_once_and_waits_for_an_explicit_reload(
    watched: Watch, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        watch.file.write_text(content("b", "c"))
        await trio.sleep(60)
        assert await watch.jobs() == ["a"]
        assert watch.said("the file has no more 'a'") == watch.said("reloaded") == 1
        await watch.reloading.reload()
        await trio.sleep(60)
        assert await watch.jobs() == ["b", "c"]
        assert watch.said("reloaded: 2 added") == 1
        watch.file.write_text(content("a"))
        await trio.sleep(60)
        assert await watch.jobs() == ["b", "c"]
        watch.file.write_text(content("a", "b", "c"))
        await trio.sleep(5)
        assert await watch.jobs() == ["a", "b", "c"]
    assert watch.said("not reloaded") == 2


async def test_of_many_jobs_that_would_go_the_line_names_some(watched: Watch, autojump_clock: MockClock) -> None:
    async with watched() as watch:
        watch.file.write_text(content("a", *(f"b-{n:04}" for n in range(2_000))))
        await trio.sleep(5)
        watch.file.write_text(content("a"))
        await trio.sleep(5)
        assert len(await watch.jobs()) == 2_001
    assert watch.said("'b-0009' and 1990 more;") == 1


async def test_a_broken_file_is_told_once_with_every_problem_and_line_and_changes_nothing(
    watched: Watch, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        broken = "pollers:\n  jobs:\n  - id: a\n    kind: scrip\n  - id: b\n    agent: ana\n"
        watch.file.write_text(broken)
        await trio.sleep(60)
        told = [message for message in watch.caplog.messages if "not reloaded" in message]
        assert len(told) == len(set(told)) >= 4
        assert any(f"{watch.file}:3:" in message for message in told)
        assert any(f"{watch.file}:5:" in message for message in told)
        assert await watch.jobs() == ["a"]
        watch.file.write_text(content("a"))
        await trio.sleep(10)
        assert watch.said("reloaded: ") == watch.said("not reloaded: ")  # what runs needs no reload
        watch.file.write_text(broken)
        await trio.sleep(10)
        assert watch.said("not reloaded") == 2 * len(told)  # somebody has broken it again


async def test_a_job_of_an_unknown_kind_is_told_once_and_changes_nothing(
    watched: Watch, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        watch.file.write_text(content("a", "b", kind="scrip"))
        await trio.sleep(60)
        assert await watch.jobs() == ["a"]
    assert watch.said("did you mean 'script'?") == 2


async def test_a_file_that_stays_away_is_told_once_and_the_jobs_run_on(
    watched: Watch, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        watch.file.unlink()
        await trio.sleep(60)
        assert await watch.jobs() == ["a"]
        watch.file.write_text(content("a", "b"))
        await trio.sleep(5)
        assert await watch.jobs() == ["a", "b"]
    assert watch.said("is gone") == watch.said("not reloaded") == 1


async def test_what_a_signal_has_reloaded_is_known(watched: Watch, autojump_clock: MockClock) -> None:
    async with watched() as watch:
        watch.file.write_text(content("b"))
        await watch.reloading.reload()
        await trio.sleep(60)
        assert (watch.said("reloaded"), watch.said("not reloaded")) == (1, 0)
        watch.file.write_text(content("b", "c", kind="scrip"))
        await watch.reloading.reload()
        await trio.sleep(60)
        assert watch.said("unknown kind") == 2


async def test_what_a_request_has_reloaded_is_known(watched: Watch, autojump_clock: MockClock) -> None:
    async with watched() as watch:
        runner = watch.daemon.runner
        watch.file.write_text(content("b"))
        await trio.sleep(1)
        await runner.reload(await runner.reread())
        await trio.sleep(60)
    assert (watch.said("reloaded"), watch.said("not reloaded")) == (1, 0)


async def test_what_was_only_planned_is_still_to_be_done(watched: Watch, autojump_clock: MockClock) -> None:
    async with watched() as watch:
        runner = watch.daemon.runner
        watch.file.write_text(content("a", "b"))
        await trio.sleep(1)
        assert runner.diff(await runner.reread()).add == ("b",)
        await trio.sleep(3)
        assert await watch.jobs() == ["a", "b"]


async def test_what_cannot_be_done_now_is_told_once_and_done_later(watched: Watch, autojump_clock: MockClock) -> None:
    async def by_hand(_: PollContext[Any]) -> TickAck:
        await trio.sleep(30)
        return TickAck()

    async with watched(act=by_hand) as watch, trio.open_nursery() as nursery:
        nursery.start_soon(watch.daemon.runner.run_once, "a")
        await trio.sleep(1)
        watch.file.write_text(content("a", agent="bob"))
        await trio.sleep(25)
        assert (await watch.daemon.runner.job("a")).agent == "ana"
        await trio.sleep(20)
        assert (await watch.daemon.runner.job("a")).agent == "bob"
    assert watch.said("not reloaded yet") == watch.said("run by hand") == 1


async def test_a_file_that_changes_while_it_is_read_must_settle_again(
    watched: Watch, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        runner, reads = watch.daemon.runner, list[float]()

        def read_late() -> Config | None:
            reads.append(trio.current_time())
            if len(reads) == 1:
                watch.file.write_text(content("a", "c"))
            return load_config(watch.file)

        runner.source = read_late
        watch.file.write_text(content("a", "b"))
        await trio.sleep(10)
        assert await watch.jobs() == ["a", "c"]
    assert watch.said("reloaded") == 1
    assert reads[1] - reads[0] >= 2


async def test_what_is_read_in_the_middle_of_a_change_is_neither_told_nor_taken_for_what_had_settled(
    watched: Watch, autojump_clock: MockClock
) -> None:
    async with watched() as watch:
        runner, reads = watch.daemon.runner, list[float]()

        def read_late() -> Config | None:
            reads.append(trio.current_time())
            if len(reads) == 1:
                watch.file.write_text(content("a", "b")[:50])
            return load_config(watch.file)

        runner.source = read_late
        watch.file.write_text(content("a", "b"))
        while not reads:  # noqa: ASYNC110 - nobody else is told
            await trio.sleep(0.5)
        watch.file.write_text(content("a", "b"))
        await trio.sleep(5)
        assert await watch.jobs() == ["a", "b"]
    assert watch.said("not reloaded") == 0
