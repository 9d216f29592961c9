"""docs/howto/llm.md: its configuration is sound, its table has every key, its program runs."""

import re
import sys
from pathlib import Path
from typing import Final

from command import ROOT, nexo_poller, running
from job_files import write_config

from nexo_poller.builtins.agent_turn import AgentTurnConfig
from nexo_poller.config.fields import fields_of

PAGE: Final = ROOT.joinpath("docs", "howto", "llm.md").read_text()


def test_the_configuration_is_sound(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    tmp_path.joinpath("config", "secrets").mkdir(parents=True)
    tmp_path.joinpath("config", "pollers.yaml").write_text(shown)
    key = tmp_path.joinpath("config", "secrets", "anthropic")
    key.touch(mode=0o600)
    key.write_text("sk-of-ana")
    nexo_poller("check", "--strict", cwd=tmp_path, env={"GEMINI_API_KEY": "sk-of-ana"})


def test_every_key_is_in_the_table() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(keys) == sorted(field.key for field in fields_of(AgentTurnConfig))


async def test_the_program_sends_what_its_model_says(tmp_path: Path) -> None:
    turn = {
        "llm": {"provider": "house", "model": "loud-1"},
        "user_prompt": "Say hello in {job_id}!",
        "deliver": {"channel": "inbox", "to": "you"},
    }
    entry = {"id": "greet", "kind": "agent_turn", "agent": "ana", "schedule": {"every_secs": 3600}, "config": turn}
    write_config(tmp_path, entry)
    async with running([sys.executable, str(ROOT / "examples" / "own_provider.py")], cwd=tmp_path) as program:
        assert await program.line() == "you SAY HELLO IN GREET!"
