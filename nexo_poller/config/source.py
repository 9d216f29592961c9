"""One file of a configuration, read: its values with every `${…}` resolved, and what was wrong on the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from nexo_poller.config.document import Document, LineMap
from nexo_poller.config.files import fingerprint, read_document
from nexo_poller.config.interpolation import Interpolation
from nexo_poller.config.problems import Key, merged
from nexo_poller.errors import Problem

READ_OF_AN_AGENT: Final = ("id", "credentials")
NO_ACCOUNT: Final = "_asymmetric"  # `telegram_asymmetric: true` tells the older program to hold its tongue


@frozen(kw_only=True)
class Source:
    """`problems` have keys of this file and no place yet, but for those of the YAML itself. `files` gave values by `${…}`."""

    value: Any
    lines: LineMap
    folder: Path
    secrets: frozenset[str] = frozenset()
    files: tuple[tuple[Key, Path], ...] = ()
    fingerprint: str = ""
    problems: tuple[Problem, ...] = ()


def read_main(file: Path, env: Mapping[str, str]) -> Source:
    """The file, or if it is not there, an empty one."""
    try:
        file.stat()
    except FileNotFoundError:
        return Source(value={}, lines=LineMap(str(file)), folder=file.parent, fingerprint=fingerprint(file))
    except OSError:
        pass  # reading it will tell why
    return read_source(file, env)


def read_source(file: Path, env: Mapping[str, str]) -> Source:
    """The file."""
    return resolved(read_document(file), file, env)


def read_agents(file: Path, env: Mapping[str, str]) -> Source:
    """What a file of agents says about their accounts. All else in it is somebody else's, and is not even looked at."""
    return resolved(_only_accounts(read_document(file)), file, env)


def resolved(document: Document, file: Path, env: Mapping[str, str]) -> Source:
    """What a document of the file says once every `${…}` in it is looked up."""
    interpolation = Interpolation(env=env, folder=file.parent)
    value = interpolation.resolve({} if document.value is None else document.value)
    return Source(
        value=value,
        lines=document.lines,
        folder=file.parent,
        secrets=frozenset(interpolation.secrets),
        files=tuple(interpolation.files),
        fingerprint=document.fingerprint,
        problems=tuple(merged(document.problems, interpolation.problems)),
    )


def _only_accounts(document: Document) -> Document:
    value = document.value
    if isinstance(value, Mapping):
        agents = value.get("agents")
        value = {"agents": [*map(_only_account, agents)] if isinstance(agents, list) else agents}
    return evolve(document, value=value, problems=tuple(p for p in document.problems if _is_read(p.key)))


def _only_account(agent: Any) -> Any:
    if not isinstance(agent, Mapping):
        return agent
    read = {key: agent[key] for key in READ_OF_AN_AGENT if key in agent}
    if isinstance(read.get("credentials"), Mapping):
        read["credentials"] = {
            channel: account for channel, account in read["credentials"].items() if not channel.endswith(NO_ACCOUNT)
        }
    return read


def _is_read(key: Key) -> bool:
    section, agent_part = key[:1], key[2:3]
    return section in ((), ("agents",)) and (not agent_part or agent_part[0] in READ_OF_AN_AGENT)
