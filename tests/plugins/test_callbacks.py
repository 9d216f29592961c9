"""What a plugin may ask of the daemon, asked by a real program in the middle of a tick, or between two."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from acting import act, acting, actor

from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse

AGENTS = {"ana": {"telegram": "ana_bot"}, "bob": {"telegram": "bob_bot"}}
ANSWERED = "; deliver = [{'channel': 'telegram', 'recipient': '7', 'payload': answer}]; reply(deliver=deliver)"


def asked(call: str) -> str:
    """A tick that sends the daemon's answer to this call."""
    return f"answer = ask({call}){ANSWERED}"


async def answer(folder: Path, call: str, **changes: Any) -> dict[str, Any]:
    """What the daemon answers to a call out of a tick."""
    plugins = (actor(folder, publish=("plugin.note.*",)),)
    async with acting(folder, act(asked(call)), plugins=plugins, agents=AGENTS, **changes) as running:
        assert await running.error() == "None"
        [payload] = await running.payloads(1)
        return dict(payload)


async def test_the_account_of_the_jobs_agent_is_given_and_audited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "credentials.audit")
    said = await answer(tmp_path, "'credentials_get', channel='telegram', agent_id='ana'")
    assert said["result"] == {"account_id": "ana_bot"}
    assert "credential telegram" in caplog.text


async def test_another_agents_account_is_refused_and_the_refusal_audited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = await answer(tmp_path, "'credentials_get', channel='telegram', agent_id='bob'")
    assert said["error"] == {
        "code": -32002,
        "message": "plugin 'acme' may not have the credentials of agent 'bob', which has no job of its kinds (act)",
    }
    [record] = [record for record in caplog.records if record.name == "credentials.audit"]
    assert record.levelno == logging.WARNING
    assert vars(record)["fields"] == {
        "agent": "bob", "channel": "telegram", "direction": "credential", "fp": None, "plugin": "acme", "topic": None,
    }  # fmt: skip


async def test_an_account_that_the_agent_does_not_have_is_missing_as_in_the_process(tmp_path: Path) -> None:
    said = await answer(tmp_path, "'credentials_get', channel='google', agent_id='ana'")
    assert said["error"]["code"] == -32002
    assert said["error"]["message"].startswith("agent 'ana' has no account for channel 'google'")


async def test_a_topic_outside_the_allowlist_is_refused_and_audited_without_the_account_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = await answer(tmp_path, "'broker_publish', topic='plugin.outbound.telegram.bob_bot', payload=1")
    assert said["error"]["code"] == -32002
    assert "may not publish to 'plugin.outbound.telegram." in said["error"]["message"]
    assert "(it may publish to: plugin.note.*;" in said["error"]["message"]
    assert [record.levelno for record in caplog.records if record.name == "credentials.audit"] == [logging.WARNING]
    assert "bob_bot" not in caplog.text + str(said)


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        ("'broker_publish', payload=1", -32602, "topic"),
        ("'broker_publish', topic='plugin.note.a'", -32602, "payload"),
        ("'broker_publish', topic=7, payload=1", -32602, "topic"),
        ("'broker_publish', topic='plugin.note.a b', payload=1", -32000, "has a space"),
        ("'broker_publish', topic='x' * 1_000_000, payload=1", -32000, "`topic` is longer than 1024 characters"),
        ("'credentials_get', channel=['telegram'], agent_id='ana'", -32602, "channel"),
        ("'log', level='shout', message='hm'", -32602, "`level` is one of"),
        ("'log', level='info'", -32602, "message"),
        ("'metric_inc', name='calls', labels=7", -32602, "labels"),
        ("'llm_invoke', messages='hello'", -32602, "messages"),
        ("'fly_to', moon=True", -32601, "there is no method 'fly_to'"),
    ],
)
async def test_a_call_that_does_not_fit_is_answered_with_what_is_wrong(
    tmp_path: Path, call: str, code: int, message: str
) -> None:
    error = (await answer(tmp_path, call))["error"]
    assert error["code"] == code
    assert message in error["message"]


async def test_what_a_tick_publishes_is_sent_with_its_commit_in_order_and_not_at_all_if_it_fails(
    tmp_path: Path,
) -> None:
    publish = (
        "for n in range(50): say(method='broker_publish', id=n, params={'topic': 'plugin.note.a', 'payload': n})\n"
    )
    fail = "say(id=call, error={'code': -32001, 'message': 'no'})"
    jobs = (act(publish + fail), act(publish + "reply()", id="next"))
    async with acting(tmp_path, *jobs, plugins=(actor(tmp_path, publish=("plugin.note.*",)),)) as running:
        assert await running.error() == "no"
        assert await running.error("next") == "None"
        assert await running.payloads(50) == [*range(50)]


async def test_what_belongs_to_no_tick_is_sent_at_once(tmp_path: Path) -> None:
    later = """
import threading
def publish():
    wait_for("now")
    say(method="broker_publish", params={"topic": "plugin.note.up", "payload": {"hello": None}})
threading.Thread(target=publish, daemon=True).start()
"""
    plugins = (actor(tmp_path, publish=("plugin.note.*",), env={"AT_START": later}),)
    async with acting(tmp_path, plugins=plugins) as running:
        (tmp_path / "now").touch()
        assert await running.payloads(1) == [{"hello": None}]


async def test_the_language_model_is_asked_like_in_the_process(tmp_path: Path) -> None:
    class Echo:
        async def invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
            words = str(request.messages[0]["content"])
            return LlmInvokeResponse(content=words.upper(), model_id=str(request.model), usage={"input_tokens": 3})

    call = "'llm_invoke', messages=[{'role': 'user', 'content': 'hm'}], model='m-1', provider=None, seed=7"
    async with acting(tmp_path, act(asked(call)), llm_providers={"echo": Echo()}) as running:
        assert await running.error() == "None"
        [payload] = await running.payloads(1)
    assert payload["result"] == {"content": "HM", "model_id": "m-1", "usage": {"input_tokens": 3}}


async def test_of_several_ticks_a_call_names_its_job(tmp_path: Path) -> None:
    """The first tick is read while the second waits for its reply: the program answers them in any order."""
    script = """
first, second = tick["job_id"], None
if not LATER:
    LATER.append(hear())
other = LATER[0]["params"]["job_id"]
unnamed = ask("broker_publish", topic="plugin.note.x", payload=0)
assert "2 ticks are under way: say in `job_id` whose this is" in unnamed["error"]["message"], unnamed
stranger = ask("broker_publish", topic="plugin.note.x", payload=0, job_id="nobody")
assert "no tick of job 'nobody' is under way" in stranger["error"]["message"], stranger
assert "result" in ask("broker_publish", topic="plugin.note.x", payload=other, job_id=other)
say(id=LATER.pop(0)["id"], result={})
say(id=call, error={"code": -32001, "message": "no"})
"""
    plugins = (actor(tmp_path, publish=("plugin.note.*",), max_concurrent_ticks=2),)
    async with acting(tmp_path, act(script), act(script, id="next"), plugins=plugins) as running:
        errors: dict[str, str] = {}

        async def run(job_id: str) -> None:
            errors[job_id] = await running.error(job_id)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, "inbox")
            nursery.start_soon(run, "next")
        assert sorted(errors.values()) == ["None", "no"]
        [succeeded] = [job_id for job_id, error in errors.items() if error == "None"]
        assert await running.payloads(1) == [succeeded]


async def test_what_could_be_of_a_tick_that_was_cut_short_is_not_published_by_the_next_of_its_job(
    tmp_path: Path,
) -> None:
    script = """
again = hear()
answer = ask("broker_publish", topic="plugin.note.x", payload=0, job_id=tick["job_id"])
assert "an earlier tick of job 'inbox' was cut short" in answer["error"]["message"], answer
say(id=again["id"], result={"metrics": {"items_seen": 7}})
"""
    short = timedelta(seconds=1)
    plugins = (actor(tmp_path, publish=("plugin.note.*",), max_concurrent_ticks=2, tick_timeout=short),)
    async with acting(tmp_path, act(script), plugins=plugins) as running:
        assert await running.error() == "plugin 'acme': no reply within 1 s"
        assert (await running.run()).items_seen == 7


async def test_logs_are_the_jobs_and_metrics_have_the_prefix_of_plugins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    script = """
ask("log", level="warn", message="slow today", fields={"seconds": 7})
for n in range(1_500):
    ask("metric_inc", name="requests", labels={"id": n % 1_200})
ask("metric_inc", name="calls")
ask("metric_inc", name="1 bad name")
reply()
"""
    async with acting(tmp_path, act(script)) as running:
        assert await running.error() == "None"
        read = running.metrics.registry.get_sample_value
        assert read("poller_plugin_requests_total", {"id": "0"}) == 2
        assert read("poller_plugin_requests_total", {"id": "1199"}) is None
    [record] = [record for record in caplog.records if record.message == "slow today"]
    assert record.levelno == logging.WARNING
    assert vars(record)["fields"] == {"job_id": "inbox", "kind": "act", "seconds": 7}


async def test_a_flood_of_calls_is_answered_one_after_another_and_the_daemon_lives_on(tmp_path: Path) -> None:
    script = """
import threading
def flood():
    for n in range(5_000):
        say(id=n, method="log", params={"level": "debug", "message": "x" * 100})
threading.Thread(target=flood).start()
for n in range(5_000):
    assert "error" not in hear()
reply()
"""
    async with acting(tmp_path, act(script), act(id="next")) as running:
        assert await running.error() == "None"
        assert await running.error("next") == "None"
