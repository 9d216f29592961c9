"""What tests of pollers, and of this library, stand on: `docs/howto/testing.md` shows how.

The fixtures `poller_harness` and `poller_http_server` come with pytest wherever this distribution is installed. The
names here are for type annotations, and for saying in one line how a server behaves.
"""

from typing import TYPE_CHECKING, Final

from nexo_poller.on_demand import on_demand

if TYPE_CHECKING:
    from nexo_poller.testing.answers import answer, broken, cut_off, etagged, in_turn, late, rate_limited
    from nexo_poller.testing.clock import VirtualClock
    from nexo_poller.testing.contract import assert_poller_contract
    from nexo_poller.testing.crash import assert_crash_safe
    from nexo_poller.testing.credentials import FakeCredentials
    from nexo_poller.testing.harness import Harness
    from nexo_poller.testing.host import Logged, RecordingHost
    from nexo_poller.testing.llm import FakeLlm
    from nexo_poller.testing.real_server import HttpServer, http_server
    from nexo_poller.testing.result import TickResult
    from nexo_poller.testing.routes import Handler, NoRoute, Routes
    from nexo_poller.testing.timeline import Delivered, Timeline

__all__ = [
    "Delivered",
    "FakeCredentials",
    "FakeLlm",
    "Handler",
    "Harness",
    "HttpServer",
    "Logged",
    "NoRoute",
    "RecordingHost",
    "Routes",
    "TickResult",
    "Timeline",
    "VirtualClock",
    "answer",
    "assert_crash_safe",
    "assert_poller_contract",
    "broken",
    "cut_off",
    "etagged",
    "http_server",
    "in_turn",
    "late",
    "rate_limited",
]

# pytest loads the plugin beside this in every run, also where no poller is tested: it waits for none of them
_HOMES: Final = {
    "Delivered": "nexo_poller.testing.timeline",
    "FakeCredentials": "nexo_poller.testing.credentials",
    "FakeLlm": "nexo_poller.testing.llm",
    "Handler": "nexo_poller.testing.routes",
    "Harness": "nexo_poller.testing.harness",
    "HttpServer": "nexo_poller.testing.real_server",
    "Logged": "nexo_poller.testing.host",
    "NoRoute": "nexo_poller.testing.routes",
    "RecordingHost": "nexo_poller.testing.host",
    "Routes": "nexo_poller.testing.routes",
    "TickResult": "nexo_poller.testing.result",
    "Timeline": "nexo_poller.testing.timeline",
    "VirtualClock": "nexo_poller.testing.clock",
    "answer": "nexo_poller.testing.answers",
    "assert_crash_safe": "nexo_poller.testing.crash",
    "assert_poller_contract": "nexo_poller.testing.contract",
    "broken": "nexo_poller.testing.answers",
    "cut_off": "nexo_poller.testing.answers",
    "etagged": "nexo_poller.testing.answers",
    "http_server": "nexo_poller.testing.real_server",
    "in_turn": "nexo_poller.testing.answers",
    "late": "nexo_poller.testing.answers",
    "rate_limited": "nexo_poller.testing.answers",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
