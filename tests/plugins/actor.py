"""A plugin that does whatever the config of a job says, as a program of its own, without the library.

`script` is Python, run for the job's tick, with the names below. `AT_START` in the environment is run before anything is
read, `AT_SHUTDOWN` before the end; `INITIALIZE` is, as JSON, what the program says of itself.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

CALLS = iter(range(1, 1_000_000))
KINDS = os.environ["KINDS"].split(",")


def raw(text: bytes) -> None:
    """Write to stdout as it is."""
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def say(**message: object) -> None:
    """Write a message."""
    raw(json.dumps(message).encode() + b"\n")


def answer(call: object, **result: object) -> None:
    """Reply to a call."""
    say(jsonrpc="2.0", id=call, result=result)


def hear() -> dict[str, Any]:
    """The next message."""
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    message: dict[str, Any] = json.loads(line)
    return message


def ask(method: str, **params: object) -> object:
    """Call the daemon; its whole reply. Ticks that come meanwhile have to wait."""
    call = f"c{next(CALLS)}"
    say(jsonrpc="2.0", id=call, method=method, params=params)
    while True:
        message = hear()
        if message.get("id") == call:
            return message
        LATER.append(message)


def wait_for(path: str) -> None:
    """Return once there is such a file."""
    while not Path(path).exists():
        time.sleep(0.005)


LATER: list[dict[str, Any]] = []


def main() -> None:
    exec(os.environ.get("AT_START", ""), globals())
    introduction = {"name": "actor", "version": "1", "capabilities": {"pollers": KINDS}}
    while True:
        request = LATER.pop(0) if LATER else hear()
        if "method" not in request:
            continue  # a reply that no script has waited for
        call, params = request["id"], request.get("params", {})
        if request["method"] == "initialize":
            say(id=call, result=json.loads(os.environ.get("INITIALIZE", json.dumps(introduction))))
        elif request["method"] == "poll_tick":
            reply = partial(answer, call)
            exec(params["config"].get("script", "reply()"), {**globals(), "call": call, "tick": params, "reply": reply})
        elif request["method"] == "shutdown":
            exec(os.environ.get("AT_SHUTDOWN", ""), {**globals(), "call": call})
            say(id=call, result=None)
            sys.exit(0)
        else:
            script = os.environ.get(request["method"].upper())
            if script is None:
                say(id=call, error={"code": -32601, "message": request["method"]})
            else:
                say(id=call, result=eval(script, {**globals(), "params": params}))


main()
