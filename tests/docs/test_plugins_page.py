"""docs/reference/plugins.md: its manifest and its messages are what the daemon reads, its program is a plugin, its tables are whole."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from command import ROOT

from nexo_poller.config.fields import fields_of, is_config_class
from nexo_poller.config.manifest_tables import PluginTable
from nexo_poller.config.manifests import read_plugins
from nexo_poller.config.reading import read_config
from nexo_poller.errors import TransientError
from nexo_poller.plugins import process, ticks, wire
from nexo_poller.plugins.callbacks import Callbacks
from nexo_poller.plugins.ephemeral import spawn_ephemeral_tick
from nexo_poller.plugins.router import Entrypoint, PluginPollerHandle
from nexo_poller.plugins.ticks import TickRequest, decode_cursor, encode_cursor

PAGE: Final = ROOT.joinpath("docs", "reference", "plugins.md").read_text()
BLOCKS: Final[list[tuple[str, str]]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NOW: Final = datetime(2026, 4, 26, 15, tzinfo=UTC)


def block(language: str, number: int = 0) -> str:
    return [code for found, code in BLOCKS if found == language][number]


def rows(title: str) -> dict[str, str]:
    """The first two columns of the table whose first column has this title."""
    table = PAGE.partition(f"\n| {title} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `?([^|]+?)`? \| ?`?([^|]*?)`? ?\|", table.partition("|---|")[2], re.MULTILINE))


def keys_of(table: Any, path: str) -> dict[str, str]:
    """The keys of a manifest's table and of those in it, with the defaults that a page shows."""
    found: dict[str, str] = {}
    for key in fields_of(table):
        inner = next(
            (type_ for type_ in (key.type, *getattr(key.type, "__args__", ())) if is_config_class(type_)), None
        )
        if inner is not None:
            found |= keys_of(inner, f"{path}.{key.key}")
        elif isinstance(key.default, str | int | float):
            found[f"{path}.{key.key}"] = str(key.default)
        else:
            made = "" if key.is_required else {(): "[]"}.get(key.default, "{}")
            found[f"{path}.{key.key}"] = made
    return found


def test_the_manifest_is_sound_and_has_every_key(tmp_path: Path) -> None:
    (tmp_path / "nexo-plugin.toml").write_text(block("toml"))
    program = tmp_path / "jira-poller"
    program.touch(mode=0o755)
    plugins = read_plugins(tmp_path, ["."], {})
    assert (plugins.refusals, plugins.warnings) == ((), ())
    assert [plugin.id for plugin in plugins.manifests] == ["acme-jira"]
    shown = {key for line in block("toml").splitlines() for key in re.findall(r"^(\w+) =", line)}
    assert shown == {key.rpartition(".")[2] for key in keys_of(PluginTable, "plugin")}


def test_every_key_of_a_manifest_is_in_the_table_with_its_default() -> None:
    assert rows("key") | {"plugin.name": ""} == keys_of(PluginTable, "plugin")


def test_the_sections_are_sound(tmp_path: Path) -> None:
    file = tmp_path / "pollers.yaml"
    file.write_text(block("yaml").replace("/opt/pollers", str(tmp_path)))
    reading = read_config(file, {})
    assert reading is not None
    assert all(problem.is_warning and "leads to no plugin" in problem.what for problem in reading.problems)
    broker = reading.accepted().broker
    assert (broker.type, broker.nkey_file) == ("nats", tmp_path / "daemon.nk")


def test_the_messages_are_those_of_the_wire() -> None:
    call, reply, failed = (json.loads(block("json", number)) for number in range(3))
    request = ticks.tick_request(call["params"])
    assert json.loads(wire.request_line(7, wire.POLL_TICK, request.params())) == call
    ack = ticks.tick_reply(wire.result_of(reply, "acme-jira"), "acme-jira").ack()
    assert {"id": 7, "result": ticks.reply_of(ack)} == reply
    assert ack.next_cursor == b"OPS-42"
    with pytest.raises(TransientError, match="Jira is down for maintenance") as caught:
        wire.result_of(failed, "acme-jira")
    assert caught.value.retry_after == timedelta(minutes=10)


def test_every_code_and_every_method_of_the_daemon_is_in_a_table() -> None:
    assert {int(code) for code in rows("code")} == {*wire.Code}
    assert rows("method").keys() == {
        wire.INITIALIZE,
        wire.POLL_TICK,
        wire.LIST_TOOLS,
        wire.CALL_TOOL,
        wire.SHUTDOWN,
    }


def test_what_a_plugin_may_call_is_in_a_table() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Calling the daemon")[2], re.MULTILINE)
    source = Path(sys.modules[Callbacks.__module__].__file__ or "").read_text()
    assert listed == re.findall(r'case "(\w+)":', source)


def test_the_environment_is_told() -> None:
    named = re.search(r"small environment: (.*?), its own", PAGE, re.DOTALL)
    assert named is not None
    assert tuple(re.findall(r"`(\w+)`", named[1])) == process.INHERITED


async def test_the_program_is_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "hour.py").write_text(block("python"))
    handle = PluginPollerHandle(
        plugin_id="hour",
        kinds=("hour",),
        broker_topic_prefix="plugin.poller.hour",
        lifecycle="ephemeral",
        entrypoint=Entrypoint(command=sys.executable, args=("hour.py",), folder=tmp_path),
    )

    async def ticked(cursor: bytes | None) -> Any:
        request = TickRequest(
            kind="hour",
            job_id="hour",
            agent_id="ana",
            cursor=encode_cursor(cursor),
            config={"deliver": {"channel": "inbox", "to": "ana"}},
            now=NOW.isoformat(),
            interval_hint_secs=60,
        )
        return await spawn_ephemeral_tick(handle, request, {})

    first = await ticked(None)
    assert [delivery.payload for delivery in first.deliver] == ["it is 2026-04-26T15"]
    assert decode_cursor(first.next_cursor) == b"2026-04-26T15"
    again = await ticked(b"2026-04-26T15")
    assert (again.deliver, again.next_cursor) == ((), first.next_cursor)
