"""The processes of `assert_crash_safe`: one that has imported everything, and its forks, which live to be killed.

Started as a module, it gets what to run as a line of JSON on stdin, and then a line for every life; it says what happens
in lines of JSON on what was its stdout. A fork is made before trio and SQLite have begun, and with every module loaded
that an earlier one needed, so that a life costs milliseconds.
"""

import importlib
import json
import logging
import os
import select
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import trio
from attrs import evolve

from nexo_poller.config.model import Config, JobSpec, Settings
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import PollContext, Poller, TickAck
from nexo_poller.runner.parts import registration
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.schedule import Every
from nexo_poller.store import Claim, ClaimRequest, Commit, NotNow
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.testing.clock import START
from nexo_poller.testing.credentials import FakeCredentials
from nexo_poller.testing.far_http import FarTransport, arrive, said
from nexo_poller.testing.transplant import Immovable, unpacked
from nexo_poller.testing.traps import Trap, TrappedBroker, TrappedStore
from nexo_poller.testing.wrapped import WrappedPoller

JOB: Final = "doomed"
EVERY: Final = Every(timedelta(milliseconds=10), jitter=timedelta())
LOOK_AGAIN: Final = 0.005
Say = Callable[[Mapping[str, Any]], None]


class CountedStore(TrappedStore):
    """Grants `ticks` ticks, counting those of earlier lives; keeps what each of this life left in `commits`."""

    def __init__(self, path: Path, trap: Trap, ticks: int) -> None:
        super().__init__(path, trap)
        self.ticks = ticks
        self.commits: list[Mapping[str, Any]] = []
        self.all_granted = trio.Event()

    async def __aenter__(self) -> Self:
        """Open the file without waiting for the disk: what a killed process has written, its machine still has."""
        await super().__aenter__()
        self._writer.pragma("synchronous", "OFF")
        return self

    async def claim(self, request: ClaimRequest, **options: Any) -> Claim | NotNow:
        """See `Store`."""
        claim = await super().claim(request, **options)
        if isinstance(claim, NotNow) or claim.state.ticks_total < self.ticks:
            return claim
        await self.release(claim.lease)
        self.all_granted.set()
        return NotNow(why="paused", until=None)

    async def commit(self, claim: Claim, commit: Commit, **options: Any) -> None:
        """See `Store`."""
        cursor, messages = commit.state.cursor, [json.loads(one.message.body) for one in commit.outgoing]
        texts = [said(event["id"], event["topic"], event["payload"]).text for event in messages]
        self.commits.append({"cursor": cursor and b64encode(cursor).decode(), "texts": texts})
        await super().commit(claim, commit, **options)


class DoomedPoller(WrappedPoller):
    """Ticks at one and the same moment in every life, so that lives can be compared, and may end with the tick.

    What it asks to be put off, a tick or a message, is not: a life is over in less than a minute.
    """

    def __init__(self, inner: Poller[Any], trap: Trap, say: Say) -> None:
        super().__init__(inner)
        self.trap = trap
        self.say = say

    async def tick(self, ctx: PollContext[Any]) -> TickAck:
        """See `Poller`."""
        try:
            ack = await self.inner.tick(evolve(ctx, now=START))
            ack = evolve(ack, next_interval_hint=None, deliver=[evolve(one, not_before=None) for one in ack.deliver])
        except Exception as error:
            self.say({"failed": f"{type(error).__name__}: {error}"})
            raise
        await self.trap.passes_by("ticked")
        return ack


def main() -> None:
    """Live and die as stdin says."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # so that what a poller prints is no report

    def say(report: Mapping[str, Any]) -> None:
        reports.write(json.dumps(report) + "\n")
        reports.flush()

    told = json.loads(sys.stdin.readline())
    try:
        poller = unpacked(told["poller"])
    except Immovable as error:
        say({"refused": str(error)})
        return
    say({"ready": True})
    while line := sys.stdin.readline():
        life = json.loads(line)
        for module in life["modules"]:
            with suppress(ImportError):  # some are made by others, and not found by their names
                importlib.import_module(module)
        pid = os.fork()
        if not pid:
            _live(poller, {**told, **life}, say)
        os.waitpid(pid, 0)
        say({"ended": True})


def _end_with_the_test() -> None:
    """End when stdin does: a test that was killed says nothing more."""
    waiting = select.poll()
    waiting.register(sys.stdin, 0)  # that it was closed is told unasked
    waiting.poll()
    os._exit(1)


def _live(poller: Poller[Any], told: Mapping[str, Any], say: Say) -> None:
    """One life, which never returns."""
    try:
        logging.basicConfig(level=logging.ERROR)
        threading.Thread(target=_end_with_the_test, daemon=True).start()
        trio.run(_serve, poller, told, say)
    finally:
        sys.stderr.flush()
        os._exit(0)


async def _serve(poller: Poller[Any], told: Mapping[str, Any], say: Say) -> None:
    """Tick until all ticks are committed and all messages have arrived."""
    trap = Trap(told["point"], told["passes"], lambda point: say({"at": point, "pid": os.getpid()}))
    db, socket = Path(told["db"]), Path(told["socket"])
    store, credentials = CountedStore(db, trap, told["ticks"]), FakeCredentials()
    for channel, account in told["credentials"].items():
        credentials[channel] = account
    job = JobSpec(id=JOB, kind=poller.kind, agent=told["agent"], schedule=EVERY, config=told["config"])
    if told["cursor"] is not None and not db.exists():  # noqa: ASYNC240 - nothing else runs yet
        await _begin_with(b64decode(told["cursor"]), job, db)
    async with HttpPools.open(transport=FarTransport(socket, trap)) as http:
        runner = PollerRunner(
            Config(settings=Settings(state_db=db), jobs=(job,)),
            store=store,
            broker=TrappedBroker(trap),
            http=http,
            credentials=credentials,
        ).register(DoomedPoller(poller, trap, say))
        runner.subscribe(">", partial(arrive, socket))
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.serve)
            await store.all_granted.wait()
            while await store.waiting(1):  # noqa: ASYNC110 - the store has no event for it
                await trio.sleep(LOOK_AGAIN)
            await runner.shutdown()
    modules = [name for name in sys.modules if name not in told["modules"] and name != "__main__"]
    say({"done": {"passed": trap.passed, "commits": store.commits, "modules": modules}})


async def _begin_with(cursor: bytes, job: JobSpec, db: Path) -> None:
    registered = evolve(registration(job, timedelta()), paused_on_boot=True)
    async with SqliteStore(db) as store:
        await store.register([registered])
        await store.set_cursor(JOB, cursor)
        await store.resume(JOB)


if __name__ == "__main__":
    main()
