"""What the plugin does for a test run of somebody else's, whose pollers are wrong on purpose."""

import subprocess
import sys

import pytest

POLLERS = """
from datetime import timedelta
from attrs import frozen
import pytest, trio
from nexo_poller import Every, OutboundDelivery, Poller, TickAck
from nexo_poller.testing import answer, broken, in_turn

@frozen
class NoConfig:
    pass

class Forgetful(Poller[NoConfig]):
    '''Moves its cursor before it knows what came: the item of a failed tick is lost.'''
    kind = "forgetful"
    config_type = NoConfig
    last = 0

    async def tick(self, ctx):
        self.last += 1
        found = (await ctx.http.get(f"https://shop.example/items/{self.last}")).json()
        return TickAck(deliver=[OutboundDelivery(channel="inbox", recipient="ana", payload=f"item {found}")])

def items(poller_harness):
    for n in range(1, 9):
        poller_harness.http[f"/items/{n}"] = broken() if n == 2 else answer(json=n)
"""
IN_VIRTUAL_TIME = """
async def test_nothing_is_lost(poller_harness):
    items(poller_harness)
    timeline = await poller_harness.run(
        Forgetful(), schedule=Every(timedelta(hours=1)), for_=timedelta(hours=3)
    )
    assert timeline.texts == ["item 1", "item 2", "item 3"]

async def test_a_tick_is_shown(poller_harness):
    items(poller_harness)
    first = await poller_harness.tick(Forgetful(), cursor=b"7")
    assert first.next_cursor == b"8"

async def test_what_differs_is_shown(poller_harness):
    items(poller_harness)
    before = await poller_harness.run(Forgetful(), schedule=Every(timedelta(hours=1)), for_=timedelta(hours=2))
    poller_harness.http["/items/2"] = answer(json=2)
    after = await poller_harness.run(Forgetful(), schedule=Every(timedelta(hours=1)), for_=timedelta(hours=2))
    assert after == before

async def test_that_passes_is_not_spoken_of(poller_harness):
    await trio.sleep(86400)
    items(poller_harness)
    await poller_harness.tick(Forgetful())
"""


def test_a_failing_test_shows_what_the_pollers_did_and_what_differs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(POLLERS + IN_VIRTUAL_TIME)
    result = pytester.runpytest_inprocess("-vv", "-p", "no:cacheprovider")  # without trio_mode
    result.assert_outcomes(failed=3, passed=1)
    told = result.stdout.str()
    lost, tick, differing = told.partition("= FAILURES =")[2].split("\n____")[1:]
    assert '>       assert timeline.texts == ["item 1", "item 2", "item 3"]' in lost
    assert "Exception Group" not in told
    assert lost.partition("- what the pollers did -")[2].splitlines()[1:9] == [
        "forgetful, 3 h 00 min from 2026-01-01 00:00:00: 4 ticks, 1 error, 1 tried again, 3 messages sent",
        "01-01 00:00:00  tick   ok         1 message",
        "01-01 00:00:00  sent   plugin.outbound.inbox  item 1",
        "01-01 01:00:00  tick   transient  RemoteProtocolError: Server disconnected without sending a …",
        "01-01 01:00:26  retry  ok         1 message",
        "01-01 01:00:26  sent   plugin.outbound.inbox  item 3",
        "01-01 02:00:00  tick   ok         1 message",
        "01-01 02:00:00  sent   plugin.outbound.inbox  item 4",
    ]
    assert tick.partition("- what the pollers did -")[2].splitlines()[1:4] == [
        "tick of forgetful at 01-01 00:00:00, cursor 7",
        "  sent     inbox to ana  item 1",
        "  ok, took 0 ms, cursor 7",
    ]
    assert "two Timelines, lines of the second with -, of the first with +" in differing
    assert "E         -01-01 01:00:00  tick   transient" in differing
    assert "E         +01-01 01:00:00  sent   plugin.outbound.inbox  item 2" in differing


def test_a_test_says_itself_when_it_wants_real_sockets_and_never_gets_both(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import trio
        from trio.testing import MockClock

        async def test_real(poller_harness, poller_http_server):
            assert not isinstance(trio.lowlevel.current_clock(), MockClock)
            assert not poller_harness.clock.virtual
            assert poller_harness.http is poller_http_server.routes

        async def test_a_clock_of_its_own(poller_harness, autojump_clock):
            assert trio.lowlevel.current_clock() is autojump_clock

        async def test_both(poller_http_server, autojump_clock):
            pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines("E *RuntimeError: a real server in virtual time would see every deadline pass*")


def test_what_a_check_raises_stands_alone_below_the_line_that_called_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        POLLERS
        + """
from nexo_poller.testing import Routes, assert_crash_safe

@pytest.mark.trio
async def test_wrong_config():
    await assert_crash_safe(Forgetful(), config={"url": 1}, http=Routes())

@pytest.mark.trio
async def test_of_somebody_else():
    raise ValueError("mine")
"""
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=2)
    ours, theirs = result.stdout.str().partition("= FAILURES =")[2].split("\n____")[1:]
    assert ">       await assert_crash_safe(Forgetful(), config=" in ours
    assert "Exception Group" not in ours
    assert "Exception Group" in theirs


def test_asyncio_is_refused_where_it_would_take_the_tests_of_pollers(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('asyncio_mode', 'as of pytest-asyncio')")
    pytester.makepyfile("async def test_one(poller_harness): pass")
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-o", "asyncio_mode=strict").assert_outcomes(passed=1)
    for other in ("asyncio", "anyio"):
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-o", f"{other}_mode=auto")
        result.stderr.fnmatch_lines(f"ERROR: {other}_mode = auto takes every async test, *")


def test_two_errors_at_once_stay_together(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import trio

        async def fail(text):
            raise ValueError(text)

        async def test_two(poller_harness):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, "one")
                nursery.start_soon(fail, "two")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert "ValueError: one" in result.stdout.str()
    assert "ValueError: two" in result.stdout.str()


def test_loading_the_plugin_loads_nothing_that_only_tests_of_pollers_need() -> None:
    look = (
        "import sys, nexo_poller.testing.pytest_plugin; "
        "print([name for name in ('trio', 'httpx', 'apsw', 'h11', 'cattrs') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert loaded == "[]\n"


def test_where_pytest_trio_is_missing_it_is_said_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_it(poller_harness): pass")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:trio")
    result.stderr.fnmatch_lines('ERROR: tests of pollers run on pytest-trio, *: pip install "nexo-poller[[]test[]]"')
