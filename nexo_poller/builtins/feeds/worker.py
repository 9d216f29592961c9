"""The worker process, `python -m nexo_poller.builtins.feeds.worker`: requests on stdin, answers on stdout (see `frames`).

It ends when its stdin does, and by an alarm when a document takes too long, so that it outlives its daemon in no case,
not even one that was killed while the worker was busy.
"""

import json
import os
import resource
import signal
from contextlib import suppress
from typing import IO

from nexo_poller.builtins.feeds.feed import Document
from nexo_poller.builtins.feeds.frames import (
    HELLO,
    LENGTH_BYTES,
    LONGEST_FRAME,
    answer_of_error,
    answer_of_feed,
    framed,
)
from nexo_poller.builtins.feeds.parse import parse_feed
from nexo_poller.errors import TransientError

MOST_MEMORY_BYTES = 2 * 2**30  # of addresses, not of RAM: what 10 MB of the smallest entries need, with room to spare


def main() -> None:
    """Answer until stdin ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that some library prints can end up between the frames
    _limit_memory()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _send(answers, HELLO)
    while head := _receive(requests):
        facts = json.loads(head)
        content = _receive(requests)
        signal.setitimer(signal.ITIMER_REAL, facts.pop("limit_secs"))
        answer = _answer(Document(content=content, **facts))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answers, answer)


def _answer(document: Document) -> bytes:
    try:
        answer = answer_of_feed(parse_feed(document))
    except TransientError as error:
        return answer_of_error(str(error))
    except Exception as error:  # noqa: BLE001 - feedparser's own faults are the document's, and its job's alone
        return answer_of_error(f"{document.host} sent a feed that cannot be parsed: {type(error).__name__}: {error}")
    if len(answer) > LONGEST_FRAME:
        return answer_of_error(
            f"{document.host} sent a feed of {len(answer):,} bytes once unpacked, over {LONGEST_FRAME:,}"
        )
    return answer


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MOST_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, MOST_MEMORY_BYTES)
    with suppress(ValueError, OSError):  # macOS has the name but not the thing
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _receive(requests: IO[bytes]) -> bytes:
    """The next frame's payload; b"" at the end of the stream."""
    return requests.read(int.from_bytes(requests.read(LENGTH_BYTES)))


def _send(answers: IO[bytes], payload: bytes) -> None:
    answers.write(framed(payload))
    answers.flush()


if __name__ == "__main__":
    main()
