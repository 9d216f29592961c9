"""Manifests with defaults, so that a test shows only what matters to it."""

from pathlib import Path

from poller_files import job, jobs, written

from nexo_poller.config.reading import Reading, read_config

SOUND = """\
[plugin]
id = "acme"
version = "1.0.0"

[plugin.entrypoint]
command = "cat"

[plugin.poller]
kinds = ["jira"]
broker_topic_prefix = "plugin.poller.jira"
"""


def manifest(folder: Path, text: str | bytes = SOUND, name: str = "acme") -> Path:
    """A manifest in `plugins/<name>` of `folder`."""
    file = folder / "plugins" / name / "nexo-plugin.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def another(plugin_id: str, *kinds: str, changes: str = "") -> str:
    """A sound manifest of another plugin."""
    listed = ", ".join(f'"{kind}"' for kind in kinds)
    text = SOUND.replace('"acme"', f'"{plugin_id}"').replace('"jira"', listed).replace("poller.jira", plugin_id)
    return text + changes


def reading(folder: Path, yaml: str = "", **env: str) -> Reading:
    """What `read_config` makes of a `pollers.yaml` with a job of kind jira, and the plugins beside it."""
    content = yaml or jobs(job(kind="jira", config="{url: x}"))
    read = read_config(written(folder, content), {"PATH": "/usr/bin:/bin", **env})
    assert read is not None
    return read


def told(read: Reading, folder: Path) -> list[str]:
    """The problems as people read them, without the folder."""
    return [str(problem).replace(f"{folder}/", "") for problem in read.problems]
