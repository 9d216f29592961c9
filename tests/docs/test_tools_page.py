"""docs/howto/tools.md: its programs run, its table has every tool and argument."""

import json
import re
import sys
from pathlib import Path
from typing import Final

from command import ROOT, running
from http_server import Response, http_server

from nexo_poller.tools.generic import GENERIC_TOOLS

PAGE: Final = ROOT.joinpath("docs", "howto", "tools.md").read_text()
EXAMPLES: Final = ROOT / "examples"
CONFIG = """
pollers:
  jobs:
    - id: release
      kind: version
      agent: ana
      paused_on_boot: true
      schedule: {{every_secs: 60}}
      config:
        url: {url}
        deliver: {{channel: inbox, to: you}}
        allow_private_networks: true
"""


def test_every_generic_tool_is_in_the_table_with_its_arguments() -> None:
    rows = dict(re.findall(r"^\| `(pollers_\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    assert rows == {
        tool.name: ", ".join(f"`{argument}`" for argument in tool.parameters["properties"]) for tool in GENERIC_TOOLS
    }


async def test_the_programs_answer_a_model(tmp_path: Path) -> None:
    version = Response(body=json.dumps({"version": "1.0"}).encode())
    async with http_server({"/version": lambda _: version}) as server:
        tmp_path.joinpath("config").mkdir()
        tmp_path.joinpath("config", "pollers.yaml").write_text(CONFIG.format(url=server.url("/version")))
        async with running([sys.executable, str(EXAMPLES / "answer.py")], cwd=tmp_path) as program:
            said = [line async for line in program.lines()]
    assert "version_check" in said[0]
    assert said[1] == "error: version_check: $: 'id' is a required property"
    assert json.loads(said[2]) == {"is_new": True, "error": None, "asked_by": "ana"}
    assert said[3:] == ["There is a new version."]
