"""What a newcomer's slips come to: refused where they are written, or said in words that tell what to write."""

from pathlib import Path
from typing import Any

import pytest
import trio
from daemon import NoConfig, Script, counting, daemon, job, nothing
from trio.testing import MockClock

from nexo_poller import Config, Event, LocalBroker, Metrics, PollContext, Poller, PollerRunner, SqliteStore, TickAck

Ctx = PollContext[Any]


class Sync(Script):
    kind = "sync"

    def tick(self, ctx: Ctx) -> TickAck:  # type: ignore[override]
        return TickAck()


class Idle(Poller[NoConfig]):
    kind = "idle"
    config_type = NoConfig


class Shapeless(Poller[NoConfig]):
    kind = "shapeless"


class Delegating:
    """A store of a user's own that passes most on."""

    def __init__(self, inner: SqliteStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name == "statistics":
            raise AttributeError(name)
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"stoer": None}, "unexpected keyword argument 'stoer'"),
        (
            {"store": "poller.db"},
            'store must be a Store, and str has no observe, register, claim and others; write SqliteStore("poller.db")',
        ),
        ({"store": SqliteStore}, "store must be an instance, not the class SqliteStore"),
        ({"store": Delegating(SqliteStore("poller.db"))}, "store must be a Store, and Delegating has no statistics"),
        (
            {"broker": "nats://127.0.0.1"},
            "broker must be a Broker, and str has no publish, subscribe, handle and others",
        ),
        ({"metrics": True}, "metrics must be a Metrics, and bool has no tick, "),
        ({"clock": print}, "clock must be a Clock, and builtin_function_or_method has no now; write SystemClock()"),
    ],
)
def test_a_part_that_is_none_is_refused_before_anything_runs(parts: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "pollers.yaml").write_text("pollers: {jobs: []}")
    with pytest.raises(TypeError) as caught:
        PollerRunner(Config(), **parts)
    assert said in str(caught.value)
    with pytest.raises(TypeError) as caught:
        PollerRunner.from_config(tmp_path, **parts)
    assert said in str(caught.value)


def test_a_path_instead_of_a_configuration_is_told_of_from_config() -> None:
    with pytest.raises(TypeError, match=r"config is a Config or None, not str; for a file: PollerRunner.from_config"):
        PollerRunner("./config")  # type: ignore[arg-type]


def test_what_is_registered_is_an_instance_with_a_kind() -> None:
    runner, nameless = PollerRunner(Config()), Poller[NoConfig]()
    with pytest.raises(TypeError, match=r"^Idle is a class; give an instance of it: Idle\(\)$"):
        runner.register(Idle)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^Poller has no `kind`: give its class one"):
        runner.register(nameless)


async def test_a_poller_that_is_not_finished_pauses_its_jobs_and_says_what_to_write(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    jobs = [job(kind, kind=kind) for kind in ("sync", "idle", "shapeless")]
    async with daemon(tmp_path, *jobs, pollers=(Sync(nothing), Idle(), Shapeless())) as running:
        await trio.sleep(1)
        sync, idle, shapeless = await running.runner.list_jobs()
    assert sync.pause_reason is not None
    assert "tick() is no coroutine: write `async def tick(self, ctx)`" in sync.pause_reason
    assert idle.pause_reason is not None
    assert "Idle has no tick: write `async def tick(self, ctx)`, which returns a TickAck" in idle.pause_reason
    [problem] = shapeless.problems
    assert str(problem).endswith("(give Shapeless a `config_type`, such as a frozen attrs class)")


async def test_a_handler_that_is_not_async_is_said_to_be_none(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def show(event: Event) -> None:
        pass

    async with daemon(tmp_path, act=counting) as running:
        running.runner.subscribe("plugin.outbound.telegram", show)  # type: ignore[arg-type]
        await trio.sleep(3)
    assert "show': TypeError: it is no async function; write `async def`" in caplog.text


async def test_a_job_is_paused_and_resumed_by_name_or_by_a_switch(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with daemon(tmp_path) as running:
        runner = running.runner
        assert await runner.set_paused("inbox", paused=True)
        assert not await runner.pause("inbox")
        assert (await runner.job("inbox")).pause_reason == "paused by the operator"
        assert await runner.set_paused("inbox", paused=False)
        assert not await runner.resume("inbox")


def test_metrics_of_a_users_own_need_every_method() -> None:
    class Half:
        def tick(self, *args: object) -> None: ...

    half: Any = Half()
    with pytest.raises(TypeError, match="metrics must be a Metrics, and Half has no skipped, late, health and others"):
        PollerRunner(Config(), metrics=half)
    assert {"tick", "forget"} <= vars(Metrics).keys()


def test_reprs_of_what_runs_say_what_state_it_is_in(tmp_path: Path) -> None:
    assert repr(PollerRunner(None)) == "<PollerRunner: off>"
    assert repr(PollerRunner(Config(jobs=(job(),)))) == "<PollerRunner: 1 job, not serving>"
    assert repr(LocalBroker()) == "<LocalBroker: 0 subscriptions>"
