"""A plugin that numbers: each tick sends the three numbers after its cursor, the first of them by a callback.

Ticks run at once, in threads, and take a while, so that whoever is killed has some under way; `began` gets a line with the
process's id for each. With `WAY_OUT` in the environment (see `programs`) it is impolite: it ignores SIGTERM and the end
of its stdin, and so does a child of its, which has left for a group, or more, of its own.
"""

import json
import os
import signal
import sys
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

A_WHILE = 0.05  # seconds
WRITING = threading.Lock()


def say(**message: object) -> None:
    with WRITING:
        print(json.dumps(message), flush=True)  # noqa: T201 - the wire


def tick(call: int, job_id: str, cursor: str | None) -> None:
    before = int(urlsafe_b64decode(f"{cursor}==")) if cursor else 0
    first, *others = (f"{job_id} {before + n}" for n in (1, 2, 3))
    params = {"job_id": job_id, "topic": "plugin.outbound.inbox", "payload": {"to": "ana", "text": first}}
    say(method="broker_publish", params=params)
    with Path("began").open("a", encoding="utf-8") as began:
        began.write(f"{os.getpid()}\n")
    time.sleep(A_WHILE)
    deliver = [{"channel": "inbox", "recipient": "ana", "payload": text} for text in others]
    say(id=call, result={"next_cursor": urlsafe_b64encode(b"%d" % (before + 3)).decode(), "deliver": deliver})


def be_impolite() -> None:
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if os.fork() == 0:
        exec(os.environ["WAY_OUT"], {"os": os})
        time.sleep(1_000)


def take(message: dict[str, Any]) -> None:
    params = message.get("params", {})
    match message["method"]:
        case "initialize":
            say(id=message["id"], result={"name": "n", "version": "1", "capabilities": {"pollers": ["numbering"]}})
        case "poll_tick":
            args = (message["id"], params["job_id"], params["cursor"])
            threading.Thread(target=tick, args=args, daemon=True).start()
        case _:
            say(id=message["id"], error={"code": -32601, "message": message["method"]})


def main() -> None:
    if "WAY_OUT" in os.environ:
        be_impolite()
    for line in sys.stdin:
        take(json.loads(line))
    if "WAY_OUT" in os.environ:
        time.sleep(1_000)


main()
