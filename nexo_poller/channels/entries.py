"""Which entry of `channels:` a topic belongs to. Pure."""

from collections.abc import Collection
from typing import Final

from nexo_poller.broker.subjects import topic_fault
from nexo_poller.broker.topics import OUTBOUND
from nexo_poller.errors import Problem

ANY: Final = "*"


def entry_for(topic: str, names: Collection[str]) -> str:
    """The most specific of `names` for a topic that one of their `patterns` matches: account, then channel, then `*`."""
    account = topic.removeprefix(f"{OUTBOUND}.")
    channel = account.partition(".")[0]
    return next(name for name in (account, channel, ANY) if name in names)


def patterns(names: Collection[str]) -> list[str]:
    """What to subscribe to for these entries. No topic matches two of them, so that no message is sent twice."""
    if ANY in names:
        return [f"{OUTBOUND}.>"]
    channels = [name for name in names if "." not in name]
    accounts = [name for name in names if "." in name and name.partition(".")[0] not in channels]
    return [
        *(f"{OUTBOUND}.{name}{rest}" for name in channels for rest in ("", ".>")),
        *(f"{OUTBOUND}.{name}" for name in accounts),
    ]


def name_problem(name: str) -> Problem | None:
    """What is wrong with an entry's name."""
    fault = None if name == ANY else topic_fault(name)
    if fault is None:
        return None
    return Problem(
        what=f"the channel '{name}' {fault}",
        remedy="name it <channel>.<account>, <channel>, or '*' for all others",
        key=("channels", name),
    )
