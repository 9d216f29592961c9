"""Files and a kind with defaults, so that a test shows only what matters to it."""

from collections.abc import Iterable
from pathlib import Path

from attrs import field, frozen
from attrs.validators import ge

from nexo_poller.config.reading import Reading, read_config
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.poller import Deliver, Poller

MOST_PAGES = 10
GOOD_CONFIG = '{url: "https://x.example", deliver: {channel: telegram, to: "1"}}'


@frozen
class PagesConfig:
    """Which pages to look at."""

    url: str
    deliver: Deliver
    pages: int = field(default=1, validator=ge(1))


class PagesPoller(Poller[PagesConfig]):
    kind = "pages"
    description = "New pages of a site."
    config_type = PagesConfig

    def validate(self, config: PagesConfig) -> None:
        if config.pages > MOST_PAGES:
            raise ConfigError(Problem(what="too many pages", remedy=f"{MOST_PAGES} at most", key=("pages",)))


PAGES = {"pages": PagesPoller()}


def job(job_id: str = "a", **fields: str) -> str:
    """A valid entry of `jobs:` on one line; `fields` are YAML and replace or add, "" takes one away."""
    values = {"id": job_id, "kind": "pages", "agent": "ana", "schedule": "{every_secs: 60}", "config": GOOD_CONFIG}
    return "- {" + ", ".join(f"{key}: {value}" for key, value in {**values, **fields}.items() if value) + "}"


def jobs(*entries: str) -> str:
    """A file with these entries, the first of them on line 3."""
    return "pollers:\n  jobs:\n" + "".join(f"    {entry}\n" for entry in entries)


def written(folder: Path, content: str | bytes) -> Path:
    """A `pollers.yaml` in `folder`."""
    file = folder / "pollers.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def reading(folder: Path, content: str | bytes, **env: str) -> Reading:
    """What `read_config` makes of the content."""
    read = read_config(written(folder, content), env)
    assert read is not None
    return read


def told(problems: Iterable[Problem]) -> list[str]:
    """The problems as people read them, without the folder of their file."""
    return [str(problem).partition("pollers.yaml:")[2] or str(problem) for problem in problems]
