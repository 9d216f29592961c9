"""A daemon killed over and over while it feeds a stream, and the stream's server killed under it: each message once."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import trio
from attrs import Factory, define
from children import Child, child
from nats_server import NatsServer, nats_server

SEED: Final = 20260301
MOST_PASSES: Final = 4
LIFE_SECS: Final = 60
POINTS: Final = {
    "before the acknowledgement": ("committing", "saved", "publishing"),
    "between acknowledgement and delete": ("published", "deleting"),
}
TOPIC: Final = "plugin.outbound.telegram.ana_bot"


@define(eq=False)
class Kept:
    """What the stream has, in order: ids and texts, read a piece at a time."""

    server: NatsServer
    ids: list[str] = Factory(list)
    texts: list[str] = Factory(list)

    async def read_on(self) -> None:
        """Read what came since; fails if a message says another id than its event."""
        async with self.server.client() as client:
            for id, body in await client.kept(after=len(self.ids)):  # noqa: A001 - the field's name
                event = json.loads(body)
                assert (event["id"], event["topic"]) == (id, TOPIC)
                self.ids.append(id)
                self.texts.append(event["payload"]["text"])


def waiting(db: Path) -> list[str]:
    """The ids in the outbox of a dead daemon."""
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [id for (id,) in connection.execute("SELECT id FROM poll_outbox ORDER BY seq")]  # noqa: A001


def last_number(db: Path) -> int:
    """How far the cursor is."""
    with closing(sqlite3.connect(db)) as connection:
        return int(connection.execute("SELECT coalesce(cursor, 0) FROM poll_state").fetchone()[0])


async def drained(db: Path) -> None:
    """Return once a living daemon has sent all that waits."""
    while waiting(db):  # noqa: ASYNC110 - it is another process
        await trio.sleep(0.02)


async def one_life(daemon: Child) -> None:
    """Let the daemon come to its point, and kill it."""
    with trio.fail_after(LIFE_SECS):
        await daemon.heard("at ")
    await daemon.kill()


async def test_killed_in_every_window_it_leaves_each_message_in_the_stream_once(
    tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    kills = 100 if full else 12
    chance, db, hits = Random(SEED), tmp_path / "poller.db", Counter[str]()
    windows = [list(POINTS)[n % len(POINTS)] for n in range(kills)]
    async with nats_server(tmp_path) as server:
        await server.add_stream("plugin.outbound.>")
        kept = Kept(server)
        told: dict[str, Any] = {"db": str(db), "nats": server.url, "every_ms": 20}
        for window in windows:
            trap = {"point": chance.choice(POINTS[window]), "passes": chance.randint(0, MOST_PASSES)}
            async with child("stream_daemon.py", {**told, **trap}, folder=tmp_path) as daemon:
                await one_life(daemon)
            await kept.read_on()
            is_acknowledged = not set(waiting(db)).isdisjoint(kept.ids)
            hits["between acknowledgement and delete" if is_acknowledged else "before the acknowledgement"] += 1
        async with child("stream_daemon.py", {**told, "every_ms": 3_600_000}, folder=tmp_path) as daemon:
            await daemon.heard("ready")
            with trio.fail_after(LIFE_SECS):
                await drained(db)
            await daemon.stop()
        await kept.read_on()
    with capsys.disabled():
        print(f"\n{kills} kills, seed {SEED}: {dict(hits)}; {len(kept.ids)} messages")  # noqa: T201 - see above
    assert len(set(kept.ids)) == len(kept.ids)
    assert kept.texts == [f"number {n}" for n in range(1, last_number(db) + 1)]
    assert hits["between acknowledgement and delete"] >= kills / 5


async def test_a_server_killed_under_load_loses_nothing_and_gets_nothing_twice(tmp_path: Path, full: bool) -> None:
    db, away_secs = tmp_path / "poller.db", 20 if full else 2
    async with nats_server(tmp_path) as server:
        await server.add_stream("plugin.outbound.>")
        kept = Kept(server)
        told = {"db": str(db), "nats": server.url, "every_ms": 10}
        async with child("stream_daemon.py", told, folder=tmp_path) as daemon:
            await daemon.heard("ready")
            for _ in range(3 if full else 1):
                until = last_number(db) + 20  # all that waited, so that the outbox has room for what comes now
                with trio.fail_after(LIFE_SECS):
                    while len(kept.ids) < until:
                        await kept.read_on()
                await server.kill()
                sent = last_number(db)
                with trio.fail_after(LIFE_SECS + away_secs):
                    await trio.sleep(away_secs)
                    while last_number(db) < sent + 20:  # noqa: ASYNC110 - it ticks on, in another process
                        await trio.sleep(0.02)
                await server.start()
            await daemon.stop()
        async with child("stream_daemon.py", {**told, "every_ms": 3_600_000}, folder=tmp_path) as daemon:
            await daemon.heard("ready")
            with trio.fail_after(LIFE_SECS):
                await drained(db)
            await daemon.stop()
        await kept.read_on()
    assert len(set(kept.ids)) == len(kept.ids)
    assert kept.texts == [f"number {n}" for n in range(1, last_number(db) + 1)]
