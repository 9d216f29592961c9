"""The fixtures `poller_harness` and `poller_http_server`, and what a failing test says of them.

pytest loads this in every run of an environment in which this distribution is installed: at load it needs nothing but
pytest.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nexo_poller.testing.harness import Harness
    from nexo_poller.testing.routes import Routes

HARNESS, SERVER = "poller_harness", "poller_http_server"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run what uses these fixtures on trio, and in virtual time where no real server is asked for (O5)."""
    names = getattr(item, "fixturenames", ())
    if HARNESS in names and SERVER not in names:
        item.add_marker(pytest.mark.trio(run=run_in_virtual_time), append=False)
    elif SERVER in names:
        item.add_marker(pytest.mark.trio)


def run_in_virtual_time(main: Callable[[], Awaitable[Any]], *, clock: Any, **options: Any) -> Any:
    """`trio.run` under a clock that jumps over every wait, unless the test has asked for a `clock` of its own."""
    import trio.testing

    return trio.run(main, clock=clock or trio.testing.MockClock(autojump_threshold=0), **options)


@pytest.fixture
def _poller_routes() -> "Routes":
    from nexo_poller.testing.routes import Routes

    return Routes()


@pytest.fixture
async def poller_harness(tmp_path: Path, _poller_routes: "Routes") -> AsyncIterator["Harness"]:
    """A `nexo_poller.testing.Harness`: runs ticks of a poller, or weeks of them, in virtual time."""
    from nexo_poller.testing.harness import virtual_harness

    async with virtual_harness(tmp_path, _poller_routes) as harness:
        yield harness
