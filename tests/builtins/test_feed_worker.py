import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import trio
from http_server import Response, http_server
from ticking import bench

from nexo_poller.builtins.feeds.feed import Document
from nexo_poller.builtins.feeds.parse import parse_feed
from nexo_poller.builtins.feeds.worker import MOST_MEMORY_BYTES
from nexo_poller.builtins.feeds.workers import FeedWorkers
from nexo_poller.builtins.rss import RssPoller
from nexo_poller.clock import SystemClock
from nexo_poller.errors import TransientError
from nexo_poller.testing.clock import VirtualClock

FEEDS = Path(__file__).parent / "feeds"
NO_FEEDS = {"parser__universal__empty_feed.xml", "parser__universal__unknown_feed.xml"}
MODULE = "nexo_poller.builtins.feeds.worker"
SMALL = b"<rss version='2.0'><channel><item><title>a</title></item></channel></rss>"
# one item of 1 MB with 100,000 attributes, which takes feedparser two minutes
SLOW = b"<rss version='2.0'><channel><item " + b" ".join(b"a%d='1'" % n for n in range(100_000)) + b"/></channel></rss>"


def document(content: bytes) -> Document:
    return Document(content=content, url="https://example.org/feed", content_type="application/xml")


def processes() -> set[psutil.Process]:
    return {child for child in psutil.Process().children() if MODULE in child.cmdline()}


@asynccontextmanager
async def feed_workers(parse_timeout: timedelta = timedelta(seconds=60)) -> AsyncIterator[FeedWorkers]:
    async with aclosing(FeedWorkers(parse_timeout)) as workers:
        yield workers
    assert not processes()


async def test_a_worker_reads_every_feed_of_the_collection_as_it_is_read_inline() -> None:
    async with feed_workers() as workers:
        for file in sorted(FEEDS.glob("*/*.xml")):
            feed = document(file.read_bytes())
            if file.name in NO_FEEDS:
                with pytest.raises(TransientError, match=r"example\.org sent no feed but"):
                    await workers.parse(feed)
            else:
                assert await workers.parse(feed) == parse_feed(feed)
        assert len(processes()) == 1


async def test_a_document_that_takes_too_long_is_killed_and_the_next_one_is_parsed() -> None:
    async with feed_workers(timedelta(seconds=1)) as workers:
        with pytest.raises(
            TransientError, match=r"example.org sent a feed of 1,\d+,\d+ bytes whose parsing took over 1 s"
        ):
            await workers.parse(document(SLOW))
        assert not processes()
        assert (await workers.parse(document(SMALL))).entries[0].title == "a"


async def test_a_tick_that_is_cancelled_while_parsing_leaves_no_process_behind() -> None:
    async with feed_workers() as workers, trio.open_nursery() as nursery:
        nursery.start_soon(workers.parse, document(SLOW))
        while not any(process.cpu_times().user > 1 for process in processes()):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_a_worker_that_breaks_down_over_a_document_is_replaced() -> None:
    async with feed_workers() as workers, trio.open_nursery() as nursery:

        async def parse() -> None:
            with pytest.raises(TransientError, match=r"the parser broke down: it hung up; exit status -11"):
                await workers.parse(document(SLOW))
            assert (await workers.parse(document(SMALL))).entries

        nursery.start_soon(parse)
        while not any(process.cpu_times().user > 1 for process in processes()):
            await trio.lowlevel.checkpoint()
        processes().pop().send_signal(signal.SIGSEGV)


async def test_a_worker_that_somebody_ended_between_two_documents_costs_nothing() -> None:
    async with feed_workers() as workers:
        await workers.parse(document(SMALL))
        (process,) = processes()
        process.kill()
        with trio.fail_after(60):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                await trio.lowlevel.checkpoint()
        assert (await workers.parse(document(SMALL))).entries
        assert process not in processes()


async def test_two_feeds_are_parsed_at_once_and_no_more() -> None:
    most = 0
    async with feed_workers() as workers, trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(workers.parse, document(SMALL))
        while nursery.child_tasks:
            most = max(most, len(processes()))
            await trio.lowlevel.checkpoint()
    assert most == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<rss><channel><item><title>&#99999999999;</title></item>", "a feed that cannot be parsed: "),
        (
            f"<rss><channel><item><guid>{'é' * 4_000_000}</guid></item></channel></rss>".encode(),
            "bytes once unpacked, over",
        ),
    ],
    ids=["a character beyond Unicode", "an answer beyond all measure"],
)
async def test_what_cannot_be_parsed_or_told_is_an_error_and_the_worker_lives_on(content: bytes, said: str) -> None:
    async with feed_workers() as workers:
        with pytest.raises(TransientError, match=said):
            await workers.parse(document(content))
        assert (await workers.parse(document(SMALL))).entries
        assert len(processes()) == 1


async def test_a_worker_may_not_take_all_memory() -> None:
    async with feed_workers() as workers:
        await workers.parse(document(SMALL))
        (process,) = processes()
        assert process.rlimit(psutil.RLIMIT_AS)[0] == MOST_MEMORY_BYTES


async def test_a_terminals_ctrl_c_does_not_reach_a_worker() -> None:
    async with feed_workers() as workers:
        await workers.parse(document(SMALL))
        (process,) = processes()
        assert os.getsid(process.pid) == process.pid


async def test_the_worker_lives_as_long_as_the_last_lifespan_of_its_poller() -> None:
    poller = RssPoller()
    async with http_server({"/feed": lambda _request: Response(body=SMALL)}) as server:
        async with poller.lifespan(SystemClock()), bench(poller, feed_url=server.url("/feed")) as job:
            async with poller.lifespan(SystemClock()):
                await job.tick()
                (process,) = processes()
            await job.tick()
            assert processes() == {process}
        assert not processes()


async def test_a_tick_outside_of_any_runner_has_a_worker_for_itself() -> None:
    poller = RssPoller()
    async with (
        http_server({"/feed": lambda _request: Response(body=SMALL)}) as server,
        bench(poller, feed_url=server.url("/feed")) as job,
    ):
        assert await job.texts() == ["a\n"]
        assert not processes()


async def test_in_virtual_time_no_process_is_started() -> None:
    poller = RssPoller()
    async with (
        http_server({"/feed": lambda _request: Response(body=SMALL)}) as server,
        poller.lifespan(VirtualClock()),
        bench(poller, feed_url=server.url("/feed")) as job,
    ):
        assert await job.texts() == ["a\n"]
        assert not processes()


SCRIPT = """
import sys
from contextlib import aclosing
from datetime import timedelta
import trio
from nexo_poller.builtins.feeds.feed import Document
from nexo_poller.builtins.feeds.workers import FeedWorkers

async def parse(content):
    async with aclosing(FeedWorkers(timedelta(seconds=10))) as workers:
        print((await workers.parse(Document(content=content, url="https://example.org/"))).title, flush=True)
        await trio.sleep_forever() if "--stay" in sys.argv else None
"""
ROOT = str(Path(__file__).parents[2])


def daemon(script: str, cwd: Path, *args: str) -> subprocess.Popen[str]:
    """A Python that reads `script` from stdin and finds the package through a changed `sys.path` only."""
    process = subprocess.Popen(
        [sys.executable, "-", *args],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert process.stdin
    process.stdin.write(f"import sys; sys.path.insert(0, {ROOT!r})\n{script}")
    process.stdin.close()
    return process


def test_a_script_on_stdin_without_a_main_guard_can_parse_feeds(tmp_path: Path) -> None:
    (tmp_path / "feedparser.py").write_text("raise SystemExit('not this one')")
    script = f"{SCRIPT}\nsys.path.remove('')\ntrio.run(parse, b'<rss><channel><title>found</title></channel></rss>')"
    with daemon(script, tmp_path) as process:
        assert process.stdout
        assert process.stdout.read() == "found\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("content", "is_busy"), [(b"<rss><channel><title>idle</title></channel></rss>", False), (SLOW, True)]
)
def test_a_worker_does_not_outlive_a_daemon_that_is_killed(content: bytes, is_busy: bool, tmp_path: Path) -> None:
    with daemon(f"{SCRIPT}\ntrio.run(parse, {content!r})", tmp_path, "--stay") as process:
        if not is_busy:
            assert process.stdout
            assert process.stdout.readline() == "idle\n"
        workers: list[psutil.Process] = []
        while not workers or (is_busy and workers[0].cpu_times().user < 0.6):
            with pytest.raises(subprocess.TimeoutExpired):  # it still runs; asked in a tight loop, it would hardly
                process.wait(0.1)
            workers = [child for child in psutil.Process(process.pid).children() if MODULE in child.cmdline()]
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=60)
    for worker in alive:
        worker.kill()
    assert not alive
