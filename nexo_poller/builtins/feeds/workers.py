"""The daemon's side of the worker processes (O3)."""

import os
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import trio
from attrs import Factory, define, field

from nexo_poller.builtins.feeds.feed import Document, Feed
from nexo_poller.builtins.feeds.frames import HELLO, LENGTH_BYTES, LONGEST_FRAME, feed_of_answer, request
from nexo_poller.builtins.offload import worked_out
from nexo_poller.errors import TransientError

MODULE = "nexo_poller.builtins.feeds.worker"
MOST_WORKERS = 2  # one bad feed in 10 s, and the other jobs still have a parser
PARSE_TIMEOUT = timedelta(seconds=10)
START_TIMEOUT = timedelta(seconds=60)  # it imports feedparser from a cold disk of a busy machine
KILL_SECONDS = 5.0
ALARM_MARGIN = 2  # the worker's own alarm is for when nobody is left to kill it
RECEIVE_BYTES = 65_536
STDERR_SHOWN = 500


class WorkerDied(Exception):
    """The process ended, or said something that is no answer."""


@define(eq=False)
class Worker:
    """One process. Whatever interrupts it, `kill` it: half an answer cannot be told from the next."""

    _process: trio.Process
    _last_words: bytes = field(default=b"", init=False)

    @classmethod
    async def start(cls) -> "Worker":
        """A worker that has said hello. Raises `TransientError` if it does not come up."""
        process = await trio.lowlevel.open_process(
            # -P and our own sys.path: it finds what we found, and nothing else that lies where it is started
            [sys.executable, "-P", "-W", "ignore", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # read only after its death: the pipe's own size is the limit
            env={**os.environ, "PYTHONPATH": _python_path()},
            start_new_session=True,  # a terminal's Ctrl-C is for the daemon, which decides what becomes of its workers
        )
        worker = cls(process)
        try:
            with trio.fail_after(START_TIMEOUT.total_seconds()):
                await worker._receive_hello()
        except (WorkerDied, trio.TooSlowError) as error:
            await worker.kill()
            raise TransientError(f"the feed worker does not start: {error}; {worker.end}") from error
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    async def ask(self, document: Document, timeout: timedelta) -> bytes:
        """The answer's payload. Raises `WorkerDied`."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        try:
            await self._process.stdin.send_all(request(document, limit_secs=timeout.total_seconds() + ALARM_MARGIN))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise WorkerDied("it hung up") from error
        return await self._receive()

    async def _receive_hello(self) -> None:
        if await self._receive() != HELLO:
            raise WorkerDied("it said something else than hello")

    async def _receive(self) -> bytes:
        length = int.from_bytes(await self._receive_exactly(LENGTH_BYTES))
        if length > LONGEST_FRAME:
            raise WorkerDied(f"it wants to say {length:,} bytes")
        return await self._receive_exactly(length)

    async def _receive_exactly(self, size: int) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - see above
        received = bytearray()
        while len(received) < size:
            chunk = await self._process.stdout.receive_some(min(size - len(received), RECEIVE_BYTES))
            if not chunk:
                raise WorkerDied("it hung up")
            received += chunk
        return bytes(received)

    async def kill(self) -> None:
        """End the process; return once it is gone."""
        self._process.kill()
        # without the shield a cancelled tick would leave a zombie behind
        with trio.move_on_after(KILL_SECONDS, shield=True):
            await self._process.wait()
            if self._process.stderr:
                self._last_words = bytes(await self._process.stderr.receive_some(RECEIVE_BYTES))
        with trio.CancelScope(shield=True):  # closing waits for nothing, but would be interrupted after the first
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream:
                    await stream.aclose()

    @property
    def end(self) -> str:
        """How the process ended, and the last that it wrote to stderr."""
        words = " ".join(self._last_words.decode("utf-8", "replace").split())
        return f"exit status {self._process.returncode}" + (words and f": …{words[-STDERR_SHOWN:]}")


def _python_path() -> str:
    """`sys.path`, for another process that may start elsewhere: "" is the current folder."""
    return os.pathsep.join(part or str(Path.cwd()) for part in sys.path)


@define(eq=False)
class FeedWorkers:
    """Parses feeds in processes of its own: one, or two if feeds come at the same time, started when first needed.

    A process that takes over `parse_timeout` for a document, or whose caller is cancelled, is killed; the next document
    gets a new one. `aclose` it when the last `parse` has returned.
    """

    _parse_timeout: timedelta = PARSE_TIMEOUT
    _places: trio.Semaphore = Factory(partial(trio.Semaphore, MOST_WORKERS))
    _idle: list[Worker] = Factory(list)

    async def parse(self, document: Document) -> Feed:
        """The feed in `document`.

        Raises:
            TransientError: it is none, or cannot be parsed in time or at all; the message names the host.
        """
        async with self._places:
            answer = await self._answer(document)
        return await worked_out(len(answer), partial(feed_of_answer, answer))

    async def _answer(self, document: Document) -> bytes:
        worker = await self._ready_worker()
        try:
            with trio.fail_after(self._parse_timeout.total_seconds()):
                answer = await worker.ask(document, self._parse_timeout)
        except trio.TooSlowError as error:
            await worker.kill()
            raise TransientError(
                f"{document.host} sent a feed of {len(document.content):,} bytes whose parsing took over "
                f"{self._parse_timeout.total_seconds():g} s and was stopped"
            ) from error
        except WorkerDied as error:
            await worker.kill()
            raise TransientError(
                f"{document.host} sent a feed of {len(document.content):,} bytes over which the parser broke down: "
                f"{error}; {worker.end}"
            ) from error
        except BaseException:
            await worker.kill()
            raise
        self._idle.append(worker)
        return answer

    async def _ready_worker(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            await worker.kill()  # somebody else ended it, between two documents
        return await Worker.start()

    async def aclose(self) -> None:
        """End the processes."""
        while self._idle:
            await self._idle.pop().kill()


class InlineFeeds:
    """Parses feeds on the spot, as virtual time asks for (O5): what is slow holds the loop."""

    async def parse(self, document: Document) -> Feed:
        """See `FeedWorkers.parse`."""
        from nexo_poller.builtins.feeds.parse import parse_feed

        await trio.lowlevel.checkpoint()
        return parse_feed(document)

    async def aclose(self) -> None:
        """Nothing was opened."""
