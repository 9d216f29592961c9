"""Ticks that are cut short, reloads, shutdowns and tools: what a runner does to plugins."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from acting import SOON, Acting, act, acting, actor
from attrs import evolve

from nexo_poller.config.model import Config
from nexo_poller.errors import ConfigError, JobUnknown, PollerRouteRegistrationError, ToolError
from nexo_poller.plugins.lines import LONGEST_LINE
from nexo_poller.plugins.proxy import PluginPollerProxy
from nexo_poller.runner.runner import PollerRunner
from nexo_poller.store.sqlite import SqliteStore
from nexo_poller.tools import tools

SHORT = timedelta(seconds=1)
PID = "reply(deliver=[{'channel': 'x', 'recipient': 'y', 'payload': os.getpid()}])"
BEGIN_AND_WAIT = "Path('began').touch(); wait_for('go'); "


async def true(condition: Callable[[], bool]) -> None:
    """Return once it is; what it looks at belongs to other processes."""
    with trio.fail_after(SOON):
        while not condition():  # noqa: ASYNC110 - see above
            await trio.sleep(0.01)


def running_in(folder: Path) -> list[psutil.Process]:
    """The processes of plugins whose folder this is, without their guardians."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cwd() == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def config(running: Acting, **changes: Any) -> Config:
    assert running.runner.config is not None
    return evolve(running.runner.config, **changes)


def waiting(running: Acting) -> int:
    """How many ticks wait for a place among the plugin's."""
    [proxy] = [poller for poller in running.runner.pollers if isinstance(poller, PluginPollerProxy)]
    return proxy._places.statistics().tasks_waiting


async def pid(running: Acting, job_id: str = "inbox") -> int:
    """The process that does the job's tick."""
    before = len(running.sent)
    assert await running.error(job_id) == "None"
    return int((await running.payloads(before + 1))[-1]["text"])


async def test_a_tick_without_a_reply_is_a_transient_error_when_its_time_is_over(tmp_path: Path) -> None:
    async with acting(tmp_path, act("pass"), act(id="next"), plugins=(actor(tmp_path, tick_timeout=SHORT),)) as running:
        report = await running.run()
        assert (report.status, report.error) == ("transient", "plugin 'acme': no reply within 1 s")
        assert await running.error("next") == "None"


async def test_a_late_reply_is_dropped_and_the_next_tick_gets_its_own(tmp_path: Path) -> None:
    late, own = act("wait_for('go'); reply(next_cursor='AQ')"), act("reply(next_cursor='Ag')", id="next")
    async with acting(tmp_path, late, own, plugins=(actor(tmp_path, tick_timeout=SHORT),)) as running:
        assert await running.error() == "plugin 'acme': no reply within 1 s"
        (tmp_path / "go").touch()
        assert await running.error("next") == "None"
        assert await running.runner.cursor("inbox") is None
        assert await running.runner.cursor("next") == b"\2"


async def test_a_tick_that_was_cut_short_keeps_its_place_while_the_plugin_works_and_publishes_nothing(
    tmp_path: Path,
) -> None:
    publish = "ask('broker_publish', topic='plugin.note', payload='late')"
    slow = f"{BEGIN_AND_WAIT}answer = {publish}; Path('told').write_text(json.dumps([answer, LATER])); reply()"
    plugins = (actor(tmp_path, publish=("plugin.note",)),)
    async with acting(tmp_path, act(slow, paused_on_boot=False), act(id="next"), plugins=plugins) as running:
        await true((tmp_path / "began").exists)
        await running.runner.reload(config(running, jobs=(act(id="next"),)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.run, "next")
            await true(lambda: waiting(running) == 1)
            (tmp_path / "go").touch()
        answer, ticks_that_came_meanwhile = json.loads((tmp_path / "told").read_text())
        assert answer["error"]["message"] == "the tick of job 'inbox' was cut short; nothing of it is published"
        assert ticks_that_came_meanwhile == []
        assert running.sent == []


async def test_a_plugin_takes_as_many_ticks_at_once_as_its_manifest_says(tmp_path: Path) -> None:
    together = """
while len(LATER) < 2:
    LATER.append(hear())
Path("began").touch()
wait_for("go")
[say(id=LATER.pop()["id"], result={}) for _ in range(2)]
reply()
"""
    jobs = [act(together, id=f"inbox-{n}") for n in range(3)]
    plugins = (actor(tmp_path, max_concurrent_ticks=3),)
    async with acting(tmp_path, *jobs, act(id="next"), plugins=plugins) as running, trio.open_nursery() as nursery:
        for job in jobs:
            nursery.start_soon(running.run, job.id)
        await true((tmp_path / "began").exists)
        nursery.start_soon(running.run, "next")
        await true(lambda: waiting(running) == 1)
        (tmp_path / "go").touch()


async def test_a_reload_brings_and_takes_plugins_and_leaves_the_others_alone(tmp_path: Path) -> None:
    stays, changes, goes, comes = (
        actor(tmp_path, kind, id=f"{kind}-plugin") for kind in ("stays", "changes", "goes", "comes")
    )
    jobs = {
        plugin.kinds[0]: act(PID, id=plugin.kinds[0], kind=plugin.kinds[0]) for plugin in (stays, changes, goes, comes)
    }
    before = (jobs["stays"], jobs["changes"], jobs["goes"])
    async with acting(tmp_path, *before, plugins=(stays, changes, goes)) as running:
        pids = {job.id: await pid(running, job.id) for job in before}
        changed = evolve(changes, env={**changes.env, "COLOUR": "red"})
        after = (jobs["stays"], jobs["changes"], jobs["comes"])
        planned = await running.runner.reload(config(running, jobs=after, plugins=(stays, changed, comes)))
        assert (planned.add, planned.replace, planned.remove, planned.keep) == (
            ("comes",), ("changes",), ("goes",), ("stays",),
        )  # fmt: skip
        assert not psutil.pid_exists(pids["goes"])
        assert not psutil.pid_exists(pids["changes"])
        assert {job.id: await pid(running, job.id) for job in after}["stays"] == pids["stays"]
        assert "goes" not in running.runner.registered_kinds()
        assert len(running_in(tmp_path)) == 3
    assert running_in(tmp_path) == []


async def test_a_reload_does_not_fail_because_a_new_plugin_does_not_come_up(tmp_path: Path) -> None:
    broken = actor(tmp_path, "broken", id="broken", env={"AT_START": "sys.exit(9)"})
    async with acting(tmp_path) as running:
        jobs = (act(), act(id="next", kind="broken"))
        await running.runner.reload(config(running, jobs=jobs, plugins=(actor(tmp_path), broken)))
        assert await running.error() == "None"
        assert "exit status 9" in await running.error("next")


async def test_a_run_that_is_asked_for_before_its_plugin_is_started_waits_for_the_start(tmp_path: Path) -> None:
    before = actor(tmp_path, env={"AT_SHUTDOWN": "Path('leaving').touch(); wait_for('go')"})
    async with acting(tmp_path, plugins=(before,)) as running, trio.open_nursery() as nursery:
        nursery.start_soon(running.runner.reload, config(running, plugins=(actor(tmp_path),)))
        await true((tmp_path / "leaving").exists)
        assert running.runner._parts is not None
        [job] = running.runner._parts.jobs.values()
        assert isinstance(job.ticker.bound.poller, PluginPollerProxy)
        places = job.ticker.bound.poller._places
        nursery.start_soon(running.run)
        await true(lambda: places.borrowed_tokens == 1)
        (tmp_path / "go").touch()


async def test_a_reload_that_is_refused_starts_and_stops_no_plugin(tmp_path: Path) -> None:
    async with acting(tmp_path, act(PID)) as running:
        before = await pid(running)
        plugins = (actor(tmp_path, env={"COLOUR": "red"}), actor(tmp_path, "rss", id="other"))
        with pytest.raises(ConfigError, match="the kind 'rss' of plugin 'other'"):
            await running.runner.reload(config(running, plugins=plugins))
        assert await pid(running) == before
        assert len(running_in(tmp_path)) == 1


async def test_a_kind_that_is_built_in_refuses_the_boot(tmp_path: Path) -> None:
    with pytest.RaisesGroup(ConfigError, flatten_subgroups=True) as refused:
        async with acting(tmp_path, plugins=(actor(tmp_path, "rss"),)):
            pass
    [error] = refused.value.exceptions
    assert "the kind 'rss' of plugin 'acme'" in str(error)
    assert "RssPoller" in str(error)


async def test_a_kind_of_two_plugins_refuses_the_boot_and_the_reload(tmp_path: Path) -> None:
    twice = (actor(tmp_path), actor(tmp_path, id="rival"))
    complaint = "the kind 'act' of plugin 'rival' is owned by plugin 'acme' already"
    with pytest.RaisesGroup(pytest.RaisesExc(PollerRouteRegistrationError, match=complaint), flatten_subgroups=True):
        async with acting(tmp_path, plugins=twice):
            pass
    async with acting(tmp_path, act(PID)) as running:
        before = await pid(running)
        with pytest.raises(PollerRouteRegistrationError, match=complaint):
            await running.runner.reload(config(running, plugins=twice))
        assert await pid(running) == before


async def test_a_tick_that_cannot_travel_pauses_its_job_and_leaves_the_plugin_alone(tmp_path: Path) -> None:
    async with acting(tmp_path, act(), act(PID, id="next")) as running:
        before = await pid(running, "next")
        await running.runner.set_cursor("inbox", b"x" * LONGEST_LINE)
        assert "the call of poll_tick has 5,592," in await running.error()
        assert await pid(running, "next") == before


@pytest.mark.parametrize("lifecycle", ["long_lived", "ephemeral"])
async def test_a_config_that_json_cannot_hold_rejects_its_job_alone(tmp_path: Path, lifecycle: str) -> None:
    jobs = (act(PID), act(id="dated", config={"since": date(2026, 1, 1)}))
    async with acting(tmp_path, *jobs, plugins=(actor(tmp_path, lifecycle=lifecycle),)) as running:
        rejected = {job.id: str(job.problems) for job in await running.runner.list_jobs() if job.is_rejected}
        assert [*rejected] == ["dated"]
        assert "plugins get their config as JSON" in rejected["dated"]


async def test_a_plugin_is_told_of_the_end_and_may_save_things(tmp_path: Path) -> None:
    last = "time.sleep(0.3); Path('saved').touch()"
    async with acting(tmp_path, plugins=(actor(tmp_path, env={"AT_SHUTDOWN": last}),)):
        assert len(running_in(tmp_path)) == 1
    assert (tmp_path / "saved").exists()
    assert running_in(tmp_path) == []


async def test_a_plugin_that_does_not_heed_its_shutdown_is_told_by_sigterm_and_may_save_things(tmp_path: Path) -> None:
    save = "import signal; signal.signal(signal.SIGTERM, lambda *_: (Path('saved').touch(), os._exit(0)))"
    env = {"AT_START": save, "AT_SHUTDOWN": "time.sleep(600)"}
    async with acting(tmp_path, plugins=(actor(tmp_path, env=env),)):
        assert not (tmp_path / "saved").exists()
    assert (tmp_path / "saved").exists()
    assert running_in(tmp_path) == []


async def test_a_plugin_that_will_not_end_is_ended(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    env = {"AT_START": deaf, "AT_SHUTDOWN": "time.sleep(600)"}
    async with acting(tmp_path, plugins=(actor(tmp_path, env=env),)):
        assert len(running_in(tmp_path)) == 1
    assert running_in(tmp_path) == []


async def test_what_is_raised_while_plugins_are_open_comes_out_in_no_group(tmp_path: Path) -> None:
    opened = Config(jobs=(act(),), plugins=(actor(tmp_path),))
    runner = PollerRunner(opened, store=SqliteStore(tmp_path / "poller.db"))
    with pytest.raises(JobUnknown, match="there is no job 'nobody'"):
        async with runner.opened():
            await runner.dry_run("nobody")
    assert running_in(tmp_path) == []


async def test_what_a_plugin_lists_are_tools_and_calls_of_them_go_there(tmp_path: Path) -> None:
    listed = [
        {"name": "act_look", "description": "Look.", "parameters": {"type": "object"}},
        {"name": "act_find", "input_schema": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        {"name": "no name", "description": "", "parameters": {"type": "object"}},
        {"name": "pollers_list", "description": "", "parameters": {"type": "object"}},
        {"name": "act_odd", "description": "", "parameters": {"type": "array"}},
        {"description": "It has no name."},
        7,
    ]
    env = {"POLL_LIST_TOOLS": repr({"tools": listed}), "POLL_TOOL_CALL": "{'said': params}"}
    async with acting(tmp_path, plugins=(actor(tmp_path, env=env),)) as running:
        await true(lambda: "act_look" in [tool.name for tool in tools(running.runner).list()])
        registry = tools(running.runner)
        assert [tool.name for tool in registry.list() if tool.name.startswith("act")] == ["act_look", "act_find"]
        answer = await registry.call("act_find", {"id": 7}, agent_id="ana")
        assert answer["said"] == {"kind": "act", "tool_name": "act_find", "args": {"id": 7, "agent_id": "ana"}}
        with pytest.raises(ToolError, match=r"\$\.id: 'x' is not of type 'integer'"):
            await registry.call("act_find", {"id": "x"}, agent_id="ana")


async def test_a_plugin_that_does_not_know_of_tools_has_none(tmp_path: Path) -> None:
    async with acting(tmp_path) as running:
        assert [tool.name for tool in tools(running.runner).list() if tool.name.startswith("act")] == []
