"""From search paths to plugins: every manifest read, every problem of all of them, and who owns which kind."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define, evolve, field, frozen

from nexo_poller.config.commands import program
from nexo_poller.config.document import LineMap
from nexo_poller.config.files import fingerprint, read_manifest
from nexo_poller.config.manifest_tables import KEYS, ManifestFile, is_command
from nexo_poller.config.mismatch import NO_QUOTES
from nexo_poller.config.model import BrokerSettings
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.config.problems import Key, rebased
from nexo_poller.config.search import find_manifests
from nexo_poller.config.spelling import did_you_mean
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, Problem

POLLER: Final[Key] = ("plugin", "poller")
KINDS: Final[Key] = (*POLLER, "kinds")
COMMAND: Final[Key] = ("plugin", "entrypoint", "command")
ENTRYPOINT: Final = "add [plugin.entrypoint] with its `command`"


@frozen(kw_only=True)
class Plugins:
    """The plugins that search paths lead to. With `refusals` they must not be used.

    `lines` tells where each of them stands, by its id. `owners` has the id of the plugin that owns a kind, and may be
    faulty. Problems about search paths have keys and no place, the others have theirs.
    """

    manifests: tuple[PluginManifest, ...] = ()
    lines: Mapping[str, LineMap] = Factory(dict)
    owners: Mapping[str, str] = Factory(dict)
    refusals: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    fingerprints: tuple[str, ...] = ()

    def unreachable(self, broker: BrokerSettings) -> Iterator[Problem]:
        """What keeps these plugins from being spoken to over this broker, or without it. Keys as `plugin_key` has them."""
        long_lived = [manifest for manifest in self.manifests if manifest.lifecycle == "long_lived"]
        if broker.type == "local":
            for manifest in long_lived:
                if manifest.command is None:
                    what = "a plugin that is not spoken to over NATS is started by the daemon"
                    remedy = f"{ENTRYPOINT}, or use `broker: {{type: nats}}`"
                    yield Problem(what=what, remedy=remedy, key=plugin_key(manifest.id))
            return
        firsts: dict[str, PluginManifest] = {}
        for manifest in long_lived:
            first = firsts.setdefault(manifest.broker_topic_prefix, manifest)
            if first is not manifest:
                what = f"the prefix '{first.broker_topic_prefix}' is that of plugin '{first.id}' already"
                remedy = f"choose another, or both would be sent each tick; the other stands in {first.path}"
                yield Problem(what=what, remedy=remedy, key=plugin_key(manifest.id, *POLLER, "broker_topic_prefix"))


def plugin_key(plugin_id: str, *inside: str | int) -> Key:
    """The key of a plugin's manifest among those of a configuration, or of something inside it."""
    return ("manifests", plugin_id, *inside)


def read_plugins(folder: Path, search_paths: Sequence[str] | None, env: Mapping[str, str]) -> Plugins:
    """The plugins that `search_paths`, relative to `folder`, lead to; None: the default. `env` has the `PATH`."""
    found = find_manifests(folder, search_paths)
    read = [_read(file, env) for file in found.files]
    owners = _Owners()
    for manifest in read:
        owners.add(manifest)
    return Plugins(
        manifests=tuple(sorted((m.manifest for m in read if m.manifest), key=lambda manifest: manifest.id)),
        lines={plugin_id: manifest.lines for plugin_id, manifest in owners.ids.items()},
        owners={kind: manifest.id for kind, manifest in owners.kinds.items()},
        refusals=(*found.refusals, *(problem for manifest in read for problem in manifest.problems), *owners.twice),
        warnings=(*found.warnings, *(problem for manifest in read for problem in manifest.warnings)),
        fingerprints=tuple(manifest.fingerprint for manifest in read),
    )


def fingerprints_of(folder: Path, search_paths: Sequence[str] | None) -> Iterator[str]:
    """The `Plugins.fingerprints` of what is there now."""
    for file in find_manifests(folder, search_paths).files:
        yield _fingerprint(file, fingerprint(file))


def _fingerprint(file: Path, content: str) -> str:
    return f"{file} {content}"


@frozen(kw_only=True)
class _Read:
    """A manifest and what is wrong with it. `id` and `kinds` are there as far as they can be told; `problems` are placed."""

    lines: LineMap
    fingerprint: str
    id: str = ""
    kinds: tuple[str, ...] = ()
    manifest: PluginManifest | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def _read(file: Path, env: Mapping[str, str]) -> _Read:
    document = read_manifest(file)
    lines, seen = document.lines, _fingerprint(file, document.fingerprint)
    if document.problems:
        return _Read(lines=lines, fingerprint=seen, problems=document.problems)
    plugin = _table(document.value, "plugin")
    if plugin and "poller" not in plugin:
        return _Read(lines=lines, fingerprint=seen, warnings=(_placed(_no_poller(plugin), lines),))
    plugin_id, kinds = plugin.get("id"), _table(plugin, "poller").get("kinds")
    problems: tuple[Problem, ...] = ()
    manifest = None
    try:
        manifest = _manifest(document.value, file, env)
    except ConfigError as error:
        problems = tuple(_placed(problem, lines) for problem in error.problems)
    return _Read(
        lines=lines,
        fingerprint=seen,
        id=plugin_id if isinstance(plugin_id, str) else "",
        kinds=tuple(kind for kind in kinds if isinstance(kind, str)) if isinstance(kinds, list) else (),
        manifest=manifest,
        problems=problems,
    )


def _manifest(value: Mapping[str, Any], file: Path, env: Mapping[str, str]) -> PluginManifest:
    """What the tables say. Raises `ConfigError` with every problem."""
    problems: list[Problem] = []
    whole = command = None
    try:
        whole = structure(_read_of(value), ManifestFile)
    except ConfigError as error:
        problems += error.problems
    try:
        command = _command(_table(value, "plugin"), file.parent, env)
    except ConfigError as error:
        problems += rebased(error.problems, COMMAND)
    if whole is None or problems:
        raise ConfigError(*problems)
    plugin = whole.plugin
    entrypoint = plugin.entrypoint
    return PluginManifest(
        id=plugin.id,
        version=plugin.version,
        name=plugin.name or plugin.id,
        description=plugin.description,
        command=command,
        args=tuple(entrypoint.args) if entrypoint else (),
        env=entrypoint.env if entrypoint else {},
        kinds=tuple(plugin.poller.kinds),
        broker_topic_prefix=plugin.poller.broker_topic_prefix,
        lifecycle=plugin.poller.lifecycle,
        max_concurrent_ticks=plugin.poller.max_concurrent_ticks,
        tick_timeout=timedelta(seconds=plugin.poller.tick_timeout_secs),
        publish=tuple(plugin.capabilities.broker.publish),
        folder=file.parent.absolute(),
        path=file,
    )


def _read_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """The tables that are read. All others, also those inside `plugin` and `capabilities`, are somebody else's."""
    if not isinstance(value.get("plugin"), Mapping):
        return {key: value[key] for key in ("plugin",) if key in value}
    plugin = {key: inner for key, inner in value["plugin"].items() if key in KEYS or not _is_table(inner)}
    if isinstance(plugin.get("capabilities"), Mapping):
        plugin["capabilities"] = {key: inner for key, inner in plugin["capabilities"].items() if key == "broker"}
    return {"plugin": plugin}


def _is_table(value: object) -> bool:
    """Whether it is written as `[table]`, or as several of `[[table]]`."""
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def _table(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table under `key`; an empty one for whatever else stands there."""
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _command(plugin: Mapping[str, Any], folder: Path, env: Mapping[str, str]) -> str | None:
    """The program to run; None if there is no entrypoint. Raises `ConfigError` if there must be one."""
    command = _table(plugin, "entrypoint").get("command")
    if isinstance(command, str) and is_command(command):
        return program(command, folder, env.get("PATH", os.defpath))
    if "entrypoint" not in plugin and _table(plugin, "poller").get("lifecycle") == "ephemeral":
        raise ConfigError(Problem(what="an ephemeral plugin is started for every tick", remedy=ENTRYPOINT))
    return None


def _no_poller(plugin: Mapping[str, Any]) -> Problem:
    near = [key for key in plugin if did_you_mean(key, ["poller"])]
    hint = f", or rename [plugin.{near[0]}] if that is what it should be" if near else ""
    what = "there is no [plugin.poller], so this plugin has no pollers"
    return Problem(what=what, remedy=f"narrow `plugins.search_paths`{hint}", key=("plugin",), is_warning=True)


def _placed(problem: Problem, lines: LineMap) -> Problem:
    """The problem with its place, in the words of people who write TOML."""
    remedy = "write it without quotes" if problem.remedy == NO_QUOTES else problem.remedy.replace(": …'", " = …'")
    return evolve(problem, where=lines.where(problem.key), remedy=remedy)


@define(eq=False)
class _Owners:
    """Who has an id, and who owns a kind; first come, first served."""

    ids: dict[str, _Read] = field(factory=dict)
    kinds: dict[str, _Read] = field(factory=dict)
    twice: list[Problem] = field(factory=list)

    def add(self, read: _Read) -> None:
        if (namesake := self.ids.setdefault(read.id, read)) is not read and read.id:
            self._add(f"there is a plugin '{read.id}' already", namesake, read, ("plugin", "id"))
            return  # and each of its kinds would be the same mistake once more
        for kind in dict.fromkeys(read.kinds):
            if (owner := self.kinds.setdefault(kind, read)) is not read:
                what = f"the kind '{kind}' of plugin '{read.id}' is owned by plugin '{owner.id}' already"
                self._add(what, owner, read, KINDS)

    def _add(self, what: str, first: _Read, second: _Read, key: Key) -> None:
        remedy = f"remove one of the two; the other stands at {first.lines.where(key)}"
        self.twice.append(Problem(what=what, remedy=remedy, where=second.lines.where(key)))
