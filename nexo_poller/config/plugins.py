"""What the manifests of plugins say, as the rest of the library sees it: values, checked, no TOML."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, gt

Lifecycle = Literal["long_lived", "ephemeral"]


@frozen(kw_only=True)
class PluginManifest:
    """One `nexo-plugin.toml`, at `path`.

    `command` is an absolute path; None: somebody else runs the plugin. It is run in `folder`, which is absolute and that
    of the manifest, with `args` and, besides a small environment, `env`. `publish` are patterns of the topics that its
    ticks may publish to.
    """

    id: str
    version: str
    name: str
    description: str = ""
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict, repr=False)
    kinds: tuple[str, ...]
    broker_topic_prefix: str
    lifecycle: Lifecycle = "long_lived"
    max_concurrent_ticks: int = field(default=1, validator=ge(1))
    tick_timeout: timedelta = field(default=timedelta(seconds=60), validator=gt(timedelta()))
    publish: tuple[str, ...] = ()
    folder: Path
    path: Path
