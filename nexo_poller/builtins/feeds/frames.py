"""What travels between a daemon and its feed workers: frames, each four bytes of length (big-endian) and so many bytes.

A worker says hello with an empty frame once it has loaded what it needs. A request is two frames, a JSON object and the
document; an answer is one, a JSON object with either `feed` or `error`. Pure.
"""

import json
from typing import Any

from attrs import asdict

from nexo_poller.builtins.feeds.feed import Document, Entry, Feed
from nexo_poller.errors import TransientError

LENGTH_BYTES = 4
LONGEST_FRAME = 32 * 2**20
HELLO = b""


def framed(payload: bytes) -> bytes:
    """`payload` as a frame."""
    return len(payload).to_bytes(LENGTH_BYTES) + payload


def request(document: Document, *, limit_secs: float) -> bytes:
    """Both frames of a request; the worker ends itself when the document has taken it `limit_secs`."""
    facts = {
        "url": document.url,
        "content_type": document.content_type,
        "content_location": document.content_location,
        "limit_secs": limit_secs,
    }
    return framed(_json(facts)) + framed(document.content)


def answer_of_feed(feed: Feed) -> bytes:
    """The payload that says `feed`."""
    return _json(
        {"feed": {"title": feed.title, "flaw": feed.flaw, "entries": [asdict(entry) for entry in feed.entries]}}
    )


def answer_of_error(message: str) -> bytes:
    """The payload that says why there is no feed."""
    return _json({"error": message})


def feed_of_answer(answer: bytes) -> Feed:
    """The feed in an answer's payload; raises `TransientError` if it is an error."""
    said = json.loads(answer)
    if "error" in said:
        raise TransientError(said["error"])
    feed = said["feed"]
    return Feed(title=feed["title"], flaw=feed["flaw"], entries=tuple(Entry(**entry) for entry in feed["entries"]))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
