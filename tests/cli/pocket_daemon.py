"""A polling daemon in a hundred lines of plain Python, right or wrong in one named way, for the demo to judge.

    pocket_daemon.py MODE --config FOLDER

It knows the demo's two jobs and nothing else. Its modes: `honest`; `cursor-first`, which commits the cursor before the
messages; `delete-first`, which forgets a message before it is sent; `fresh-ids`, which gives an event a new id each
time that it is sent; `mute`, which sends nothing; `crash`.
"""

import json
import re
import sqlite3
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (item TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY, id TEXT, item TEXT);
"""
UNTIL_KILLED_SECS = 60
POLL_SECS = 0.3


class Daemon:
    def __init__(self, mode: str, folder: Path) -> None:
        self.mode = mode
        self.url = re.findall(r"(http://[^/]+)/feed", folder.joinpath("pollers.yaml").read_text())[0]
        self.db = sqlite3.connect(folder / "pocket.db")
        self.db.executescript(SCHEMA)

    def run(self) -> None:
        while True:
            self.relay()
            self.tick()
            time.sleep(POLL_SECS)

    def tick(self) -> None:
        """Fetch both lists; save what is new as seen, and as messages."""
        feed, api = self.get("/feed"), json.loads(self.get("/orders"))
        items = [
            *reversed(re.findall("<title>(news #[0-9]+)</title>", feed)),
            *(order["id"] for order in api["orders"]),
        ]
        seen = {item for (item,) in self.db.execute("SELECT item FROM seen")}
        new = [item for item in items if item not in seen]
        self.db.executemany("INSERT INTO seen VALUES (?)", [(item,) for item in new])
        if self.mode == "cursor-first":
            self.db.commit()
            if seen and new:  # all but the first lot: a window so wide that the next kill is sure to hit it
                time.sleep(UNTIL_KILLED_SECS)
        self.db.executemany("INSERT INTO outbox (id, item) VALUES (?, ?)", [(str(uuid.uuid4()), item) for item in new])
        self.db.commit()

    def relay(self) -> None:
        """Send the messages in order, deleting each."""
        if self.mode == "mute":
            return
        for seq, event_id, item in self.db.execute("SELECT seq, id, item FROM outbox ORDER BY seq").fetchall():
            if self.mode == "delete-first":
                self.delete(seq)
            self.post({"id": str(uuid.uuid4()) if self.mode == "fresh-ids" else event_id, "payload": {"text": item}})
            self.delete(seq)

    def delete(self, seq: int) -> None:
        self.db.execute("DELETE FROM outbox WHERE seq = ?", (seq,))
        self.db.commit()

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path) as answer:
            return str(answer.read().decode())

    def post(self, event: dict[str, Any]) -> None:
        request = urllib.request.Request(self.url + "/inbox", data=json.dumps(event).encode())
        urllib.request.urlopen(request).close()


if __name__ == "__main__":
    if sys.argv[1] == "crash":
        sys.exit("no such luck")
    Daemon(sys.argv[1], Path(sys.argv[3])).run()
