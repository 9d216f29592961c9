"""The tables of a `nexo-plugin.toml` that are read, as people write them: keys, types, defaults and bounds."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen
from attrs.validators import ge, le, min_len

from nexo_poller.config.fields import fields_of
from nexo_poller.config.names import ACCOUNT
from nexo_poller.config.plugins import Lifecycle
from nexo_poller.config.problems import KeyItself
from nexo_poller.errors import ConfigError, Problem

ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")  # a token of the topic on which the plugin calls back
KIND: Final = re.compile(r"[a-z][a-z0-9_]+")
TOKEN: Final = r"[^\s.*>\x00-\x1f\x7f]+"  # noqa: S105 - of a topic
PATTERN: Final = re.compile(rf"(?:(?:{TOKEN}|\*)\.)*(?:{TOKEN}|\*|>)")  # as `broker.subjects` has it, which is above
LONGEST_TOPIC: Final = 1024
LONGEST_PREFIX: Final = LONGEST_TOPIC - len(".tick")
RESERVED: Final = "NEXO_"


def _check_id(_: Any, __: Any, plugin_id: str) -> None:
    if not ID.fullmatch(plugin_id):
        remedy = "use 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter, a digit or _"
        raise ConfigError(Problem(what=f"the id '{plugin_id}' is not allowed", remedy=remedy))


def is_command(candidate: str) -> bool:
    """Whether there could be a program of this name."""
    return bool(candidate) and "\0" not in candidate


def _check_command(_: Any, __: Any, command: str) -> None:
    if not is_command(command):
        raise ConfigError(Problem(what="this is no command", remedy="name a file in this folder, or a program on PATH"))


def _check_args(_: Any, __: Any, args: Sequence[str]) -> None:
    _check(
        Problem(what="an argument cannot hold the character U+0000", remedy="leave it out", key=(index,))
        for index, arg in enumerate(args)
        if "\0" in arg
    )


def _check_env(_: Any, __: Any, env: Mapping[str, str]) -> None:
    _check(problem for name, value in env.items() for problem in _env_problems(name, value))


def _env_problems(name: str, value: str) -> Iterator[Problem]:
    if name.startswith(RESERVED):
        what = f"the variable '{name}' is the daemon's to set"
        yield Problem(what=what, remedy=f"choose a name that does not begin with {RESERVED}", key=(KeyItself(name),))
    elif not name or "=" in name or "\0" in name:
        yield Problem(what="this is no name of a variable", remedy="use A-Z 0-9 _", key=(KeyItself(name),))
    if "\0" in value:
        what = f"the variable '{name}' cannot hold the character U+0000"
        yield Problem(what=what, remedy="leave it out", key=(name,))


def _check_kinds(_: Any, __: Any, kinds: Sequence[str]) -> None:
    if not kinds:
        raise ConfigError(Problem(what="there are no kinds", remedy='name at least one: kinds = ["jira"]'))
    _check(problem for index, kind in enumerate(kinds) for problem in _kind_problems(index, kind, kinds))


def _kind_problems(index: int, kind: str, kinds: Sequence[str]) -> Iterator[Problem]:
    if not KIND.fullmatch(kind):
        remedy = "use two or more of a-z 0-9 _ and begin with a letter"
        yield Problem(what=f"'{kind}' cannot be the name of a kind", remedy=remedy, key=(index,))
    if kind in kinds[:index]:
        yield Problem(what=f"the kind '{kind}' stands here twice", remedy="remove one of the two", key=(index,))


def _check_prefix(_: Any, __: Any, prefix: str) -> None:
    if len(prefix) > LONGEST_PREFIX or not ACCOUNT.fullmatch(prefix):
        what = f"the prefix '{prefix}' cannot begin a topic" if prefix else "the prefix is empty"
        remedy = "such as plugin.poller.jira: no spaces, no * or >, no dot at an end or beside another"
        raise ConfigError(Problem(what=what, remedy=remedy))


def _check_patterns(_: Any, __: Any, patterns: Sequence[str]) -> None:
    remedy = "tokens with dots between them; `*` stands for a whole token, a last `>` for the rest"
    _check(
        Problem(what=f"'{pattern}' is no pattern of topics", remedy=remedy, key=(index,))
        for index, pattern in enumerate(patterns)
        if len(pattern) > LONGEST_TOPIC or not PATTERN.fullmatch(pattern)
    )


def _check(problems: Iterator[Problem]) -> None:
    found = list(problems)
    if found:
        raise ConfigError(*found)


@frozen(kw_only=True)
class EntrypointTable:
    """`[plugin.entrypoint]`: how to start it. Without the table somebody else does."""

    command: str = field(validator=_check_command)
    args: Sequence[str] = field(default=(), validator=_check_args)
    env: Mapping[str, str] = field(factory=dict, validator=_check_env, repr=False)


@frozen(kw_only=True)
class PollerTable:
    """`[plugin.poller]`: its kinds, and how they are run."""

    kinds: Sequence[str] = field(validator=_check_kinds)
    broker_topic_prefix: str = field(validator=_check_prefix)
    lifecycle: Lifecycle = "long_lived"
    max_concurrent_ticks: int = field(default=1, validator=[ge(1), le(64)])
    tick_timeout_secs: float = field(default=60, validator=[ge(1), le(3600)])


@frozen(kw_only=True)
class BrokerTable:
    """`[plugin.capabilities.broker]`: patterns of the topics that its ticks may publish to."""

    publish: Sequence[str] = field(default=(), validator=_check_patterns)


@frozen(kw_only=True)
class CapabilitiesTable:
    """`[plugin.capabilities]`, of which one table is read."""

    broker: BrokerTable = BrokerTable()


@frozen(kw_only=True)
class PluginTable:
    """`[plugin]`: what it is called, and the tables inside."""

    id: str = field(validator=_check_id)
    version: str = field(validator=min_len(1))
    name: str = ""
    description: str = ""
    entrypoint: EntrypointTable | None = None
    poller: PollerTable
    capabilities: CapabilitiesTable = CapabilitiesTable()


@frozen(kw_only=True)
class ManifestFile:
    """The whole file, of which one table is read."""

    plugin: PluginTable


KEYS: Final = tuple(key.key for key in fields_of(PluginTable))
