"""A configuration folder as older programs have it, with everything in it sound; a test replaces what it is about."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from attrs import frozen
from poller_files import GOOD_CONFIG, PAGES

from nexo_poller.config.reading import Reading, read_config
from nexo_poller.errors import Problem
from nexo_poller.poller import Deliver, Poller

ANA = "ana@gmail.example"
ENV = {"KEY": "sk-from-a-variable"}

POLLERS = f"""\
pollers:
  jobs:
    # the first job
    - {{id: first, kind: pages, agent: ana, schedule: {{every_secs: 60}}, config: {GOOD_CONFIG}}}
"""
AGENTS = """\
agents:
  - {id: bob, model: {provider: anthropic}, credentials: {telegram: bob_bot}}
"""
ANA_YAML = f"""\
agents:
  - id: ana
    system_prompt: "${{NOBODY_SETS_THIS}}"
    tools: !ours [x]
    credentials: {{google: {ANA}, telegram: ana_bot, telegram_asymmetric: true}}
"""
GOOGLE_AUTH = f"""\
google_auth:
  accounts:
    - id: {ANA}
      agent_id: ana
      client_id_path: ./client_id
      client_secret_path: client_secret
      token_path: ./ana.json
      scopes: [gmail.modify]
"""
LLM = """\
providers:
  anthropic: {api_key: "${KEY}", group_id: ""}
  ollama:
    base_url: http://localhost:11434/v1
    rate_limit: {requests_per_second: 9}
    retry: {max_attempts: 7}
retry: {max_attempts: 3, initial_backoff_ms: 10}
"""
OLD_GMAIL = f"""\
gmail_poller:
  interval_secs: 30
  accounts:
    - {{id: {ANA}, agent_id: ana, token_path: ana.json, client_id_path: client_id, client_secret_path: client_secret}}
  jobs:
    - name: Lead Alert
      account: {ANA}
      query: "is:unread"
      forward_to_subject: plugin.outbound.whatsapp.personal
      forward_to: "${{file:./recipient}}"
      message_template: |
        Lead {{name}}
        {{snippet}}
"""
FOLDER: Mapping[str, str] = {
    "pollers.yaml": POLLERS,
    "agents.yaml": AGENTS,
    "agents.d/ana.yaml": ANA_YAML,
    "plugins/google-auth.yaml": GOOGLE_AUTH,
    "llm.yaml": LLM,
    "plugins/client_id": "id",
    "plugins/client_secret": "secret",
    "plugins/ana.json": "{}",
    "plugins/recipient": "573@s.whatsapp.net\n",
}


@frozen
class AskConfig:
    provider: str
    deliver: Deliver


class Ask(Poller[AskConfig]):
    """Asks a language model about a mailbox."""

    kind = "ask"
    channels: ClassVar[tuple[str, ...]] = ("google",)
    config_type = AskConfig

    def llm_provider(self, config: AskConfig) -> str | None:
        return config.provider


@frozen
class MailConfig:
    query: str
    message_template: str
    deliver: Deliver


class Mail(Poller[MailConfig]):
    """Stands for the kind that old jobs become."""

    kind = "gmail"
    channels: ClassVar[tuple[str, ...]] = ("google",)
    config_type = MailConfig


KINDS: Mapping[str, Poller[object]] = {**PAGES, "ask": Ask(), "gmail": Mail()}  # type: ignore[dict-item] # each its own config


def folder(path: Path, files: Mapping[str, str] | None = None) -> Path:
    """The folder `path` with the sound files, some replaced or added; secrets are their owner's alone."""
    for name, text in {**FOLDER, **(files or {})}.items():
        file = path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o600)
    return path


def read(path: Path, files: Mapping[str, str] | None = None) -> Reading:
    """What the folder says."""
    reading = read_config(folder(path, files), ENV)
    assert reading is not None
    return reading


def told(problems: tuple[Problem, ...], path: Path) -> list[str]:
    """The problems as people read them, with paths relative to the folder."""
    return [str(problem).replace(f"{path}/", "") for problem in problems]
