"""Options and fixtures for all tests. Its being here puts this folder on the path, so that subfolders can import from it."""

import signal
from collections.abc import Sequence
from typing import Any

import pytest

pytest_plugins = ("pytester",)  # for the tests of our own plugin
MUST_BE_NONE = ("skipped", "xfailed", "deselected")
DESELECTED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nexo_poller")
    group.addoption("--full", action="store_true", help="run the long campaigns in full instead of small and seeded")
    group.addoption("--complete", action="store_true", help="fail if a test was skipped, xfailed or deselected")


def pytest_configure() -> None:
    # a shell that runs us in the background has it ignored, and so would be whatever the tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether `--full` was given: run the whole campaign, not the small one."""
    return bool(pytestconfig.getoption("full"))


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    if items:
        stash = items[0].config.stash
        stash[DESELECTED] = stash.get(DESELECTED, 0) + len(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["deselected"] = session.config.stash.get(DESELECTED, 0)
        return
    counts = _counts(session.config)
    if session.config.getoption("complete") and any(counts[name] for name in MUST_BE_NONE):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """All workers of pytest-xdist collect, and deselect, the same tests; the one that tells of most was not cut short."""
    stash, deselected = node.config.stash, node.workeroutput["deselected"] if hasattr(node, "workeroutput") else 0
    stash[DESELECTED] = max(stash.get(DESELECTED, 0), deselected)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("complete"):
        terminalreporter.write_line(", ".join(f"{name} {count}" for name, count in _counts(config).items()))


def _counts(config: pytest.Config) -> dict[str, int]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    reported = {name: len(stats.get(name, ())) for name in ("passed", "skipped", "xfailed")}
    return {**reported, "deselected": config.stash.get(DESELECTED, 0)}
