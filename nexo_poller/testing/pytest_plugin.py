"""The fixtures `poller_harness` and `poller_http_server`, and what a failing test says of them.

pytest loads this in every run of an environment in which this distribution is installed: at load it needs nothing but
pytest.
"""

import difflib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nexo_poller.testing.harness import Harness
    from nexo_poller.testing.real_server import HttpServer
    from nexo_poller.testing.routes import Routes

OURS = "nexo_poller.testing."
HARNESS, SERVER = "poller_harness", "poller_http_server"
TOLD_IN_LINES = ("nexo_poller.testing.result", "nexo_poller.testing.timeline")
AsyncMain = Callable[[], Awaitable[object]]
OF_THE_TEST = pytest.StashKey["Harness"]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run what uses these fixtures on trio, and in virtual time where no real server is asked for (O5)."""
    names = getattr(item, "fixturenames", ())
    if HARNESS in names or SERVER in names:
        _want_trio(item.config)
        _refuse_auto_modes(item.config)
        run = run_in_real_time if SERVER in names else run_in_virtual_time
        item.add_marker(pytest.mark.trio(run=run), append=False)


def _want_trio(config: pytest.Config) -> None:
    try:
        config.getini("trio_mode")
    except ValueError:
        raise pytest.UsageError(
            'tests of pollers run on pytest-trio, which is not here: pip install "nexo-poller[test]"'
        ) from None


def _refuse_auto_modes(config: pytest.Config) -> None:
    """pytest-asyncio and anyio in this mode take every async test, also one that has a marker for trio."""
    for other in ("asyncio", "anyio"):
        try:
            mode = config.getoption(f"{other}_mode", None) or config.getini(f"{other}_mode")
        except ValueError:  # it is not installed
            continue
        if mode == "auto":
            raise pytest.UsageError(
                f"{other}_mode = auto takes every async test, and pollers run on trio: set {other}_mode = strict, and mark "
                f"the tests of that kind with @pytest.mark.{other}"
            )


def run_in_virtual_time(main: AsyncMain, *, clock: Any, **options: Any) -> None:
    """`trio.run` under a clock that jumps over every wait, unless the test has asked for a `clock` of its own."""
    __tracebackhide__ = True
    import trio.testing

    run_in_real_time(main, clock=clock or trio.testing.MockClock(autojump_threshold=0), **options)


def run_in_real_time(main: AsyncMain, **options: Any) -> None:
    """`trio.run`, where a lone error leaves its groups, so that pytest can show the line of the test that failed."""
    __tracebackhide__ = True
    import trio

    try:
        trio.run(main, **options)
    except BaseExceptionGroup as group:
        lone = _lone(group)
        if lone is None:
            raise
        raise lone from lone.__cause__


def _lone(error: BaseException) -> BaseException | None:
    """The only error in a group, at any depth; None if there are more."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    return _lone(error.exceptions[0]) if len(error.exceptions) == 1 else None


def _is_from_here(error: BaseException) -> bool:
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(str(frame.f_globals.get("__name__")).startswith(OURS) for frame in frames)


@pytest.fixture
def _poller_routes() -> "Routes":
    from nexo_poller.testing.routes import Routes

    return Routes()


@pytest.fixture
async def poller_harness(
    request: pytest.FixtureRequest, tmp_path: Path, _poller_routes: "Routes"
) -> AsyncIterator["Harness"]:
    """A `nexo_poller.testing.Harness`: runs ticks of a poller, or weeks of them, in virtual time.

    Beside `poller_http_server` it ticks in real time, on the real network.
    """
    from nexo_poller.testing.harness import real_harness, virtual_harness

    opened = real_harness if SERVER in request.fixturenames else virtual_harness
    async with opened(tmp_path, _poller_routes) as harness:
        request.node.stash[OF_THE_TEST] = harness
        yield harness


@pytest.fixture
async def poller_http_server(_poller_routes: "Routes") -> AsyncIterator["HttpServer"]:
    """A `nexo_poller.testing.HttpServer` on loopback, for those who want real sockets. Its routes are `harness.http`."""
    from nexo_poller.testing.real_server import http_server

    async with http_server(_poller_routes) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the pollers of a failed test did; and what a check of ours raised without the group that trio puts it in."""
    if call.excinfo is not None and isinstance(call.excinfo.value, BaseExceptionGroup):
        lone = _lone(call.excinfo.value)
        if lone is not None and _is_from_here(lone):
            call.excinfo = pytest.ExceptionInfo.from_exception(lone)
    report = yield
    harness = item.stash.get(OF_THE_TEST, None)
    if report.when == "call" and report.failed and harness is not None and harness.journal:
        report.sections.append(("what the pollers did", str(harness)))
    return report


def pytest_assertrepr_compare(op: str, left: Any, right: Any) -> list[str] | None:
    """Show what differs between two timelines, or between two results of ticks."""
    if op != "==" or type(left) is not type(right) or type(left).__module__ not in TOLD_IN_LINES:
        return None
    told = f"two {type(left).__name__}s, lines of the second with -, of the first with +"
    differing = [*difflib.unified_diff(right.lines, left.lines, n=1, lineterm="")][2:]
    return [told, *(differing or ["their lines are the same; they differ in details"])]
