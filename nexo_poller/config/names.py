"""What jobs, channels, accounts and hosts may be called, for attrs.

Channels and accounts become parts of topics, `plugin.outbound.<channel>.<account>`, and so hold nothing that means
something in a topic or a pattern.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from nexo_poller.config.problems import KeyItself, rebased
from nexo_poller.errors import ConfigError, Problem

JOB_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
RESERVED_IDS: Final = ("reload", "events")  # paths of the admin interface
CHANNEL: Final = re.compile(r"[A-Za-z0-9_-]+")
ACCOUNT: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f*>.]+(\.[^\s\x00-\x1f\x7f-\x9f*>.]+)*")
HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
TOKEN: Final = re.compile(r"[\x21-\x7e]+")
SINK: Final = re.compile(r"stdout|[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x1f\x7f-\x9f]+")


def is_job_id(candidate: object) -> bool:
    """Whether a job may be called so."""
    return isinstance(candidate, str) and JOB_ID.fullmatch(candidate) is not None and candidate not in RESERVED_IDS


def check_job_id(_: Any, __: Any, job_id: str) -> None:
    """Raise `ConfigError` for an id that no job may have."""
    if job_id in RESERVED_IDS:
        raise ConfigError(Problem(what=f"the id '{job_id}' is reserved", remedy="choose another"))
    if not is_job_id(job_id):
        remedy = "use 1 to 128 of A-Z a-z 0-9 _ . - and begin with a letter, a digit or _"
        raise ConfigError(Problem(what=f"the id '{job_id}' is not allowed", remedy=remedy))


def check_state_db(_: Any, __: Any, name: str) -> None:
    """Raise `ConfigError` for what SQLite knows but no file on a disk is called."""
    if not name or name == ":memory:" or name.startswith("file:"):
        what = f"`state_db` '{name}' is no file, and what jobs have done must outlive the process"
        raise ConfigError(Problem(what=what, remedy="write a path, such as ./data/poller.db"))


def check_credentials(_: Any, __: Any, credentials: Mapping[str, str]) -> None:
    """Raise `ConfigError` if a channel or an account cannot be part of a topic. Accounts are not shown (O2)."""
    _check(problem for channel, account in credentials.items() for problem in _binding_problems(channel, account))


def check_routes(_: Any, __: Any, routes: Mapping[str, str]) -> None:
    """Raise `ConfigError` if a key is no `<channel>`, `<channel>.<account>` or `*`, or a value no sink."""
    _check(problem for route, sink in routes.items() for problem in _route_problems(route, sink))


def check_host_names(_: Any, __: Any, names: Sequence[str]) -> None:
    """Raise `ConfigError` for what is no host's name or address."""
    _check(
        Problem(what=f"'{name}' is no host", remedy="write a name or an address, without a port", key=(index,))
        for index, name in enumerate(names)
        if not HOST_NAME.fullmatch(name)
    )


def several_hosts(names: Iterable[str]) -> tuple[str, ...]:
    """What was given, which need not be a tuple. Raises `TypeError` for one text, every letter of which would be a name."""
    if isinstance(names, str):
        raise TypeError('hosts must be several names, not one text; write ["ops.example"]')
    return tuple(names)


def check_token(_: Any, __: Any, token: str) -> None:
    """Raise `ConfigError` for a token that no header can carry. It is not shown (O2)."""
    if not TOKEN.fullmatch(token):
        what = "the token is empty, or has spaces or characters beyond ASCII"
        raise ConfigError(Problem(what=what, remedy="make one with `openssl rand -hex 32`"))


def channel_problems(channel: str) -> Iterator[Problem]:
    """What is wrong with the name of a channel."""
    if not CHANNEL.fullmatch(channel):
        yield Problem(what=f"'{channel}' cannot be the name of a channel", remedy="use A-Z a-z 0-9 _ -")


def _binding_problems(channel: str, account: str) -> Iterator[Problem]:
    yield from rebased(channel_problems(channel), (KeyItself(channel),))
    if not ACCOUNT.fullmatch(account):
        what = f"the account on channel '{channel}' cannot be part of a topic"
        yield Problem(what=what, remedy="no spaces, no * or >, no dot at an end or beside another", key=(channel,))


def _route_problems(route: str, sink: str) -> Iterator[Problem]:
    channel, dot, account = route.partition(".")
    if route != "*" and not (CHANNEL.fullmatch(channel) and (not dot or ACCOUNT.fullmatch(account))):
        remedy = "write <channel>, <channel>.<account> or *"
        yield Problem(what=f"'{route}' names no channel", remedy=remedy, key=(KeyItself(route),))
    if not SINK.fullmatch(sink):
        what = f"what '{route}' is sent to is no sink"
        yield Problem(what=what, remedy="write stdout, an http(s):// URL or another URL", key=(route,))


def _check(problems: Iterator[Problem]) -> None:
    found = list(problems)
    if found:
        raise ConfigError(*found)
