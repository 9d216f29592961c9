"""Claims a job, and waits for a line on stdin before it commits. Says `claimed`, then `committed` or `lost`."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import trio
from attrs import evolve
from serving import arguments, say

from nexo_poller import Every, LeaseLost, Message, SqliteStore, TickRecord
from nexo_poller.store import Claim, ClaimRequest, Commit, NotNow, Outgoing, Registration, Store
from nexo_poller.timetable import Due, Timetable

JOB = "inbox"
HOUR = timedelta(hours=1)


async def claimed(store: Store, *, ttl: timedelta, now: datetime | None = None) -> Claim | NotNow:
    """A try to claim the job, which is due once an hour, and now."""
    timetable = Timetable(job_id=JOB, schedule=Every(HOUR), jitter=timedelta())
    await store.register([Registration(timetable=timetable)])
    return await store.claim(ClaimRequest(id=store.holder, timetable=timetable, ttl=ttl, max_pending=10), now=now)


def work(claim: Claim, word: str) -> Commit:
    """A tick that leaves `word` as its cursor and in a message."""
    due = Due(claim.now + HOUR, claim.now + HOUR)
    message = Message(id=word, topic="t", body=f'"{word}"'.encode())
    tick = TickRecord(
        fence=claim.lease.fence, slot=claim.now, started_at=claim.now, duration=timedelta(), status="ok", error=word
    )
    return Commit(
        state=evolve(claim.state, due=due, cursor=word.encode(), ticks_total=claim.state.ticks_total + 1),
        tick=tick,
        outgoing=[Outgoing(message=message, lane=f"{JOB}/t")],
    )


async def main() -> None:
    told = arguments()
    async with SqliteStore(Path(told["db"]), machine=told.get("machine")) as store:
        claim = await claimed(store, ttl=timedelta(seconds=told["ttl_secs"]))
        assert isinstance(claim, Claim)
        say("claimed")
        sys.stdin.readline()
        try:
            await store.commit(claim, work(claim, "theirs"))
        except LeaseLost:
            say("lost")
        else:
            say("committed")


if __name__ == "__main__":
    trio.run(main)
