"""The registry over a serving runner, in virtual time."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field, frozen
from daemon import Daemon, NoConfig, Script, counting, daemon, job, nothing
from trio.testing import MockClock

from nexo_poller import (
    Deliver,
    PermanentError,
    PollContext,
    Poller,
    PollerRunner,
    SystemClock,
    TickAck,
    Tool,
    ToolError,
)
from nexo_poller.testing.clock import START
from nexo_poller.tools import tools

GENERIC = ["pollers_list", "pollers_show", "pollers_run", "pollers_pause", "pollers_resume", "pollers_reset"]
START_MS = int(START.timestamp() * 1000)
ANYTHING = {"type": "object"}


@define(eq=False)
class Handy(Poller[NoConfig]):
    """A poller of kind `handy` with the tools that a test gives it."""

    kind = "handy"
    config_type = NoConfig

    offered: list[Any] = field(factory=list)

    def custom_tools(self) -> list[Any]:
        return self.offered


@frozen
class Headers:
    headers: Mapping[str, str]
    deliver: Deliver


class Headed(Script):
    """A `script` with secrets in its config."""

    config_type = Headers  # type: ignore[assignment]


def tool(name: str = "handy_echo", **changes: Any) -> Tool:
    async def echo(_: PollerRunner, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await trio.lowlevel.checkpoint()
        return arguments

    fields: dict[str, Any] = {"description": "Says what it is told.", "parameters": ANYTHING, "handler": echo}
    return Tool(**{"name": name, **fields, **changes})


def answering(act: Callable[[], Any]) -> Tool:
    async def handler(_: PollerRunner, arguments: Mapping[str, Any]) -> Any:
        await trio.lowlevel.checkpoint()
        return act()

    return tool(handler=handler)


async def call(running: Daemon, name: str, agent_id: str = "ana", **arguments: Any) -> dict[str, Any]:
    answer = await tools(running.runner).call(name, arguments, agent_id=agent_id)
    assert json.loads(json.dumps(answer)) == answer
    return answer


async def refusal(running: Daemon, name: str, arguments: Any) -> str:
    with pytest.raises(ToolError) as raised:
        await tools(running.runner).call(name, arguments, agent_id="ana")
    return str(raised.value)


async def test_list_shows_every_job_with_times_in_milliseconds(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, job("inbox"), job("news", agent="bob"), act=counting) as running:
        await trio.sleep(1)
        listed = await call(running, "pollers_list")
        assert listed["total"] == 2
        assert [found["id"] for found in listed["jobs"]] == ["inbox", "news"]
        assert (
            listed["jobs"][0].items()
            >= {
                "kind": "script",
                "agent": "ana",
                "paused": False,
                "last_run_at_ms": START_MS,
                "next_run_at_ms": START_MS + 60_000,
                "last_success_at_ms": START_MS,
                "last_status": "ok",
                "last_error": None,
                "consecutive_errors": 0,
                "breaker": "closed",
            }.items()
        )


@pytest.mark.parametrize(
    ("arguments", "ids", "total"),
    [
        ({"agent": "bob"}, ["b"], 1),
        ({"kind": "script", "limit": 2}, ["a", "b"], 3),
        ({"limit": 2, "offset": 2}, ["c"], 3),
        ({"kind": "other"}, [], 0),
    ],
)
async def test_list_can_be_narrowed_and_paged(
    tmp_path: Path, autojump_clock: MockClock, arguments: dict[str, Any], ids: list[str], total: int
) -> None:
    async with daemon(tmp_path, job("a"), job("b", agent="bob"), job("c")) as running:
        listed = await call(running, "pollers_list", **arguments)
        assert ([found["id"] for found in listed["jobs"]], listed["total"]) == (ids, total)


async def test_show_adds_configuration_schedule_lease_and_cursor(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, act=counting) as running:
        await trio.sleep(1)
        assert (await call(running, "pollers_show", id="inbox")).items() >= {
            "id": "inbox",
            "last_status": "ok",
            "config": {},
            "schedule": {"every_secs": 60, "stagger_jitter_ms": 0},
            "lease": None,
            "cursor": {"size": 1, "digest": hashlib.sha256(b"1").hexdigest()[:16]},
        }.items()


async def test_run_commits_a_tick_and_a_dry_run_only_tells(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path, job(paused_on_boot=True), act=counting) as running:
        dry = await call(running, "pollers_run", id="inbox", dry_run=True)
        assert dry.items() >= {"ok": True, "deliveries": 1}.items()
        assert [message["payload"]["text"] for message in dry["messages"]] == ["1"]
        for _ in "12":
            ran = await call(running, "pollers_run", id="inbox")
            assert ran.items() >= {"ok": True, "status": "ok", "deliveries": 1, "error": None}.items()
        await trio.sleep(1)
        assert running.texts() == ["1", "2"]


async def test_a_run_whose_tick_fails_says_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def fail(_: PollContext[Any]) -> TickAck:
        await trio.lowlevel.checkpoint()
        raise PermanentError("revoked")

    async with daemon(tmp_path, job(paused_on_boot=True), act=fail) as running:
        ran = await call(running, "pollers_run", id="inbox")
        assert ran.items() >= {"ok": False, "status": "permanent", "error": "revoked"}.items()


async def test_no_tick_between_pause_and_resume_and_the_pause_says_who_and_why(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    script = Script(nothing)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(1)
        assert await call(running, "pollers_pause", id="inbox", reason="on holiday") == {"ok": True, "paused": True}
        await trio.sleep(600)
        assert len(script.ran_at) == 1
        assert (await running.runner.job("inbox")).pause_reason == "ana: on holiday"
        assert await call(running, "pollers_resume", id="inbox") == {"ok": True, "paused": False}
        await trio.sleep(90)
        assert len(script.ran_at) > 1


async def test_reset_starts_over(tmp_path: Path, autojump_clock: MockClock) -> None:
    script = Script(counting)
    async with daemon(tmp_path, pollers=(script,)) as running:
        await trio.sleep(90)
        assert await call(running, "pollers_reset", id="inbox") == {"ok": True, "reset": True}
        await trio.sleep(60)
        assert script.cursors[:3] == [None, b"1", None]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("pollers_show", {}, ["$: 'id' is a required property"]),
        ("pollers_show", {"id": 5}, ["$.id: 5 is not of type 'string'"]),
        ("pollers_show", {"id": "inbox", "all": 1}, ["('all' was unexpected)"]),
        ("pollers_pause", {"reason": 1}, ["'id' is a required property", "$.reason: 1 is not of type 'string'"]),
        ("pollers_list", {"limit": 0}, ["$.limit: 0 is less than the minimum of 1"]),
        ("pollers_list", "inbox", ["$: 'inbox' is not of type 'object'"]),
        ("pollers_list", None, ["$: None is not of type 'object'"]),
        ("pollers_show", {"id": "inbix"}, ["there is no job 'inbix'; did you mean 'inbox'?"]),
        ("pollers_delete", {"id": "inbox"}, ["there is no such tool", *GENERIC]),
    ],
)
async def test_a_wrong_call_is_an_error_that_says_everything_that_is_wrong(
    tmp_path: Path, autojump_clock: MockClock, name: str, arguments: Any, words: list[str]
) -> None:
    async with daemon(tmp_path) as running:
        said = await refusal(running, name, arguments)
        assert [word for word in (name, *words) if word not in said] == []


async def test_an_error_quotes_no_more_than_the_beginning_of_an_argument(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with daemon(tmp_path) as running:
        assert len(await refusal(running, "pollers_show", {"id": ["x" * 100_000]})) < 2000


async def test_the_caller_is_told_to_the_handler_and_cannot_be_an_argument(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with daemon(tmp_path, pollers=(Handy([tool()]),)) as running:
        assert await call(running, "handy_echo", x=1) == {"x": 1, "agent_id": "ana"}
        for name in ("handy_echo", "pollers_list"):
            assert "$.agent_id: who calls is not for an argument to say" in await refusal(
                running, name, {"agent_id": "root"}
            )


async def test_whatever_a_handler_raises_is_an_error_for_the_model_and_the_runner_goes_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def fail() -> None:
        raise ExceptionGroup("both", [ValueError("one"), ExceptionGroup("", [PermanentError("two")])])

    script = Script(nothing)
    async with daemon(tmp_path, pollers=(script, Handy([answering(fail)]))) as running:
        assert await refusal(running, "handy_echo", {}) == "handy_echo: ValueError: one; two"
        await trio.sleep(90)
        assert len(script.ran_at) == 2


async def test_a_handler_that_hangs_is_given_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def hang(_: PollerRunner, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await trio.sleep_forever()

    hanging = tool(handler=hang, timeout=timedelta(seconds=5))
    async with daemon(tmp_path, pollers=(Handy([hanging]),)) as running:
        with trio.fail_after(6):
            assert await refusal(running, "handy_echo", {}) == "handy_echo: it gave no answer within 5 s"


async def test_a_run_goes_on_when_its_caller_has_gone(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def slow(ctx: PollContext[Any]) -> TickAck:
        await trio.sleep(60)
        return await counting(ctx)

    async with daemon(tmp_path, job(paused_on_boot=True), act=slow) as running:
        with trio.move_on_after(5):
            await call(running, "pollers_run", id="inbox")
        await trio.sleep(60)
        assert running.texts() == ["1"]


@pytest.mark.parametrize("answer", [None, "done", [1]])
async def test_an_answer_that_is_no_mapping_is_an_error(
    tmp_path: Path, autojump_clock: MockClock, answer: object
) -> None:
    async with daemon(tmp_path, pollers=(Handy([answering(lambda: answer)]),)) as running:
        assert await refusal(running, "handy_echo", {}) == "handy_echo: its handler returned no mapping"


async def test_nothing_secret_is_in_an_answer_or_in_an_error(tmp_path: Path, autojump_clock: MockClock) -> None:
    def fail() -> None:
        raise ValueError("the token s3cret-token is wrong")

    headers = {"Authorization": "Bearer s3cret-token"}
    secret = job(config={"headers": headers, "deliver": {"channel": "telegram", "to": "42"}})
    fails = answering(fail)
    tells = tool("handy_tell", handler=answering(lambda: {"s3cret-token": ["s3cret-token"]}).handler)
    async with daemon(tmp_path, secret, pollers=(Headed(nothing), Handy([fails, tells]))) as running:
        assert await refusal(running, "handy_echo", {}) == "handy_echo: ValueError: the token *** is wrong"
        assert await call(running, "handy_tell") == {"***": ["***"]}
        assert "s3cret-token" not in await refusal(running, "pollers_show", {"id": ["s3cret-token"]})


async def test_a_job_that_was_rejected_is_listed_with_its_problems_and_cannot_be_run(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with daemon(tmp_path, job(kind="scrpt")) as running:
        (listed,) = (await call(running, "pollers_list"))["jobs"]
        assert listed["rejected"]
        assert "scrpt" in listed["problems"][0]
        assert "it was rejected" in await refusal(running, "pollers_run", {"id": "inbox"})


async def test_a_long_answer_is_masked_off_the_loop(tmp_path: Path) -> None:
    read_in: set[int] = set()

    class Word:
        def __str__(self) -> str:
            read_in.add(threading.get_ident())
            return "s3cret-token"

    tells = answering(lambda: {"word": Word(), "text": "x" * 300_000})
    async with daemon(tmp_path, pollers=(Handy([tells]),), clock=SystemClock()) as running:
        assert (await call(running, "handy_echo"))["word"] == "s3cret-token"
    assert read_in - {threading.get_ident()}


@pytest.mark.filterwarnings("ignore:Automatically retrieving")  # jsonschema does so by default
async def test_a_schema_that_refers_to_elsewhere_is_not_fetched(tmp_path: Path, autojump_clock: MockClock) -> None:
    elsewhere = tmp_path / "schema.json"
    elsewhere.write_text("{}")
    referring = tool(parameters={"type": "object", "$ref": elsewhere.as_uri()})
    async with daemon(tmp_path, pollers=(Handy([referring]),)) as running:
        assert "Unresolvable" in await refusal(running, "handy_echo", {})
