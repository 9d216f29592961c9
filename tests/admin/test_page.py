"""The page as its operator has it: a real daemon, a real browser, and what is to be read there."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from browsing import Operator, chromium
from http_server import Response, Server
from job_files import api_job, orders, write_config
from operated import Daemon, daemon, sites
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from nexo_poller.words import span

SELDOM: Final = {"schedule": {"every_secs": 3600}}
HOSTILE: Final = "<script>window.harmed = 1</script><img src=x onerror=window.harmed=1>"
LOST: Final = "has not answered since"
NEWS: Final = (
    ("tick", {"job_id": "orders", "messages": 0}),
    ("tick", {"job_id": "returns", "messages": 0}),
    ("tick", {"job_id": "returns", "messages": 2}),
    ("state", {"job_id": "returns", "change": "paused"}),
    ("delivery", {"job_id": "returns", "outcome": "dead"}),
    ("reload", {"add": [], "replace": ["returns"], "remove": [], "keep": 1}),
    ("lost", {"count": 3}),
)
LEAST_PAUSE_MS: Final = 1_000
LOOKS: Final = """
    return performance.getEntriesByName(arguments[0], "resource").map((fetched) => fetched.startTime)
"""
PAGES: Final = ("/", "/jobs/orders", "/outbox", "/dead-letters", "/jobs/no-such-job")


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def site() -> Iterator[Server]:
    """Has the order 1, and takes whatever is delivered."""
    with sites({"/orders": lambda _: orders(1), "/inbox": lambda _: Response(status=204)}) as server:
        yield server


@pytest.fixture
def served(tmp_path: Path, site: Server) -> Iterator[Daemon]:
    """A daemon with two jobs, `orders` and `returns`, that have run once and will not run again soon."""
    write_jobs(tmp_path, site, "orders", "returns")
    with daemon(tmp_path) as started:
        yield started


@pytest.fixture
def operator(browser: Chrome, served: Daemon) -> Iterator[Operator]:
    """At the list, in a window of a desk's width. In the end the browser must have nothing to complain of."""
    operator = Operator(browser, served.url)
    operator.resizes(1280)
    operator.opens("/")
    operator.sees_it_live()
    operator.sees("ok")
    yield operator
    browser.get("about:blank")
    said = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry["message"] for entry in said if entry["source"] != "network"] == []


def write_jobs(folder: Path, site: Server, *ids: str, **config: Any) -> None:
    jobs = [{**api_job(site.url("/orders"), id_, **config), **SELDOM} for id_ in ids]
    write_config(folder, *jobs, channels={"inbox": site.url("/inbox")}, pollers={"max_delivery_attempts": 1})


def test_a_job_is_paused_with_a_reason_and_resumed(operator: Operator, served: Daemon) -> None:
    operator.follows("orders")
    operator.presses("Pause…")
    operator.fills("pause-reason", "the shop is being moved")
    operator.fills("pause-by", "ana")
    operator.presses("Pause")
    operator.sees("Paused: ana: the shop is being moved", "orders is paused.")
    assert served.job("orders")["pause_reason"] == "ana: the shop is being moved"

    operator.follows("Jobs")
    operator.sees("paused 1", "running 1", "ana: the shop is being moved")

    operator.follows("orders")
    operator.presses("Resume")
    operator.sees_no("Paused:")
    assert not served.job("orders")["paused"]


def test_what_others_do_is_seen_without_touching_the_page(operator: Operator, served: Daemon, site: Server) -> None:
    operator.sees("running 2")
    served.post("/admin/pollers/orders/pause", reason="by the command")
    operator.sees("paused 1", "by the command")

    operator.follows("returns")
    operator.sees_it_live()
    operator.sees("fence 1")
    served.post("/admin/pollers/returns/run")
    operator.sees("fence 2")
    served.post("/admin/pollers/orders/resume")
    write_jobs(served.folder, site, "orders", "returns", message_template="return {id}")
    served.post("/admin/pollers/reload")
    operator.sees("return {id}")
    write_jobs(served.folder, site, "orders")
    served.post("/admin/pollers/reload")
    operator.sees("No such job")


def test_a_run_is_seen_to_be_delivered(operator: Operator, site: Server) -> None:
    site.routes["/orders"] = lambda _: orders(1, 2)
    operator.follows("orders")
    operator.sees_it_live()
    operator.sees("None waits")
    operator.presses("Run now")
    operator.sees("Run: ok", "1 message sent", "Deliveries while you watched", "delivered plugin.outbound.inbox")
    assert [request for request in site.requests if b"order 2" in request.body]

    site.routes["/orders"] = lambda _: orders(1, 2, 3)
    site.routes["/inbox"] = lambda _: Response(status=400)
    operator.presses("Run now")
    operator.sees("Dead letters 1", "dead plugin.outbound.inbox", "answered 400", "order 3")


def test_much_news_makes_the_page_look_again_once_a_second(operator: Operator, served: Daemon) -> None:
    for _ in range(30):
        served.post("/admin/pollers/orders/pause", reason="a storm")
        served.post("/admin/pollers/orders/resume")
    served.post("/admin/pollers/orders/pause", reason="after the storm")
    operator.sees("after the storm")
    looks = operator.runs(LOOKS, operator.driver.current_url)
    assert len(looks) > 1
    assert all(second - first >= LEAST_PAUSE_MS for first, second in pairwise(looks))


def test_deliveries_that_the_page_may_have_missed_are_no_secret(operator: Operator) -> None:
    operator.follows("orders")
    operator.sees("None waits")
    script = "import('/admin/static/deliveries.js').then((log) => log.showGap({ at_ms: 0, count: 3 }))"
    operator.runs(script)
    operator.sees("3 events came too fast", "there may be deliveries among them")


def test_news_of_others_is_no_reason_to_look_but_where_it_shows(operator: Operator) -> None:
    script = """
        const [news, done] = arguments;
        import("/admin/static/concern.js").then((page) => done(news.map((told) => page.isOfConcern(...told))));
    """
    assert all(operator.driver.execute_async_script(script, NEWS))
    operator.opens("/jobs/orders")
    assert operator.driver.execute_async_script(script, NEWS) == [True, False, True, False, True, True, True]


def test_a_failed_run_tells_why(operator: Operator, site: Server) -> None:
    site.routes["/orders"] = lambda _: Response(status=500)
    operator.follows("orders")
    operator.presses("Run now")
    operator.sees("Run: transient", "answered 500")


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(operator: Operator, site: Server) -> None:
    site.routes["/orders"] = lambda _: orders(1, 2)
    operator.follows("orders")
    operator.presses("Dry run")
    operator.sees("Dry run: ok", "1 message would be sent", "order 2")
    assert not [request for request in site.requests if b"order 2" in request.body]


def test_a_reset_asks_first_and_then_forgets_the_cursor(operator: Operator, served: Daemon) -> None:
    operator.follows("orders")
    operator.presses("Pause…")
    operator.fills("pause-reason", "to look at its cursor")
    operator.fills("pause-by", "ana")
    operator.presses("Pause")
    operator.sees("Resume")
    kept = served.job("orders")["cursor"]

    operator.presses("Reset…")
    operator.sees("Reset orders?", "for good")
    operator.presses("Cancel")
    assert served.job("orders")["cursor"] == kept

    operator.presses("Reset…")
    operator.presses("Reset")
    operator.sees("orders starts over.", "Pause…")
    assert not served.job("orders")["paused"]


def test_everything_is_done_with_the_keyboard_alone(operator: Operator, served: Daemon) -> None:
    operator.tabs_to("orders")
    operator.types(Keys.ENTER)
    operator.sees("History")
    operator.tabs_to("Pause…")
    operator.types(Keys.ENTER)
    operator.sees("Pause orders?")
    operator.types("moving", Keys.TAB)
    operator.types("ana", Keys.ENTER)
    operator.has_focus_on("Resume")
    assert served.job("orders")["pause_reason"] == "ana: moving"
    operator.types(Keys.ENTER)
    operator.has_focus_on("Pause…")
    assert not served.job("orders")["paused"]
    operator.tabs_to("Reset…")
    operator.types(Keys.ENTER)
    operator.sees("Reset orders?")
    operator.types(Keys.ESCAPE)
    operator.has_focus_on("Reset…")


def test_a_reload_shows_its_plan_before_anything_happens(operator: Operator, served: Daemon, site: Server) -> None:
    write_jobs(served.folder, site, "orders", "claims")
    operator.presses("Reload…")
    operator.sees("New (1)", "claims", "Gone: stopped for good (1)", "returns", "Kept as they are (1)")
    assert [job["id"] for job in served.get("/admin/pollers")] == ["orders", "returns"]
    operator.presses("Cancel")
    operator.presses("Reload…")
    operator.presses("Apply")
    operator.sees("Reloaded: 1 add, 0 replace, 1 remove, 1 keep.", "claims")
    operator.sees_no("returns")


def test_a_file_that_is_refused_is_shown_with_all_its_problems(
    operator: Operator, served: Daemon, site: Server
) -> None:
    write_jobs(served.folder, site, "orders", "returns", message_templat="x", poll="y")
    operator.presses("Reload…")
    operator.sees("nothing has changed", "message_templat", "poll", "job 'orders'", "job 'returns'")
    operator.presses("Cancel")
    operator.sees("running 2")


def test_a_daemon_that_is_gone_is_said_to_be_and_comes_back_by_itself(
    operator: Operator, served: Daemon, site: Server
) -> None:
    operator.presses("Reload…")
    operator.sees("Nothing would change")
    served.kill()
    write_jobs(served.folder, site, "orders", "claims")
    operator.sees(LOST, "away", "returns")
    operator.presses("Cancel")
    served.start()
    operator.sees("The daemon is back.", "claims")
    operator.sees_it_live()
    operator.sees_no(LOST)
    operator.sees_no("returns")
    served.post("/admin/pollers/orders/pause", reason="after the crash")
    operator.sees("after the crash")


def test_an_open_page_does_not_keep_the_daemon_from_ending(operator: Operator, served: Daemon) -> None:
    assert served.stop() == 0
    operator.sees(LOST, "away")


def test_search_and_filters_narrow_the_list_while_one_types(operator: Operator) -> None:
    operator.fills("search", "ret")
    operator.sees_no("orders")
    operator.sees("returns", "all 1")
    operator.opens("/?q=nothing-like-it")
    operator.sees("No job fits.")
    operator.follows("Show all 2")
    operator.sees("orders", "returns")
    operator.follows("running 2")
    operator.sees("orders")
    assert "state=running" in operator.driver.current_url


def test_a_rejected_job_shows_its_problems(operator: Operator, served: Daemon, site: Server) -> None:
    served.kill()
    wrong = {**api_job(site.url("/orders"), "wrong", poll="y"), "agent": "carl", **SELDOM}
    write_config(served.folder, wrong, channels={"inbox": site.url("/inbox")})
    served.start()
    operator.sees("rejected 1", "poll")
    operator.follows("wrong")
    operator.sees("This job does not run", "unknown key", "reload")


def test_dead_letters_are_replayed_and_discarded(operator: Operator, served: Daemon, site: Server) -> None:
    site.routes["/inbox"] = lambda _: Response(status=400)
    site.routes["/orders"] = lambda _: orders(1, 2, 3)
    served.post("/admin/pollers/orders/run")
    operator.sees("Dead letters 2")

    operator.follows("Dead letters 2")
    operator.sees("order 2", "order 3", "1 refusal")
    first, second = (letter["id"] for letter in served.get("/admin/dead-letters"))
    site.routes["/inbox"] = lambda _: Response(status=204)
    operator.presses(f"Replay message {first}")
    operator.sees_no("order 2")
    operator.presses(f"Discard… message {second}")
    operator.sees("deleted for good")
    operator.presses("Discard")
    operator.sees("None: no message was refused for good.")
    assert served.get("/admin/dead-letters") == []
    received = [json.loads(request.body)["payload"]["text"] for request in site.requests if request.path == "/inbox"]
    assert (received.count("order 2"), received.count("order 3")) == (2, 1)


def test_whatever_others_say_stays_text(operator: Operator, served: Daemon, site: Server) -> None:
    served.kill()
    write_jobs(served.folder, site, "orders", "returns", message_template=HOSTILE + "{id}")
    served.start()
    site.routes["/orders"] = lambda _: orders(1, 2)
    site.routes["/inbox"] = lambda _: Response(status=400)
    served.post("/admin/pollers/orders/run")
    served.post("/admin/pollers/orders/pause", by="mallory", reason=HOSTILE)
    operator.sees("Dead letters 1", f"mallory: {HOSTILE}")
    site.routes["/inbox"] = lambda _: Response(status=503)
    served.post("/admin/pollers/returns/run")
    for path in ("/", "/jobs/orders", "/jobs/returns", "/outbox", "/dead-letters"):
        operator.opens(path)
        operator.sees(HOSTILE)
        assert operator.runs("return window.harmed") is None
    site.routes["/orders"] = lambda _: orders(1, 2, 3)
    operator.opens("/jobs/returns")
    operator.presses("Dry run")
    operator.sees("1 message would be sent", f'"text": "{HOSTILE}3"')
    operator.presses("Pause…")
    operator.fills("pause-reason", HOSTILE)
    operator.fills("pause-by", "mallory")
    operator.presses("Pause")
    operator.sees(f"Paused: mallory: {HOSTILE}")
    assert operator.runs("return window.harmed") is None


def test_nothing_keeps_people_from_using_the_page_on_a_desk_or_on_a_phone(operator: Operator) -> None:
    for width, scheme in ((1280, "light"), (400, "dark")):
        operator.resizes(width, scheme)
        for path in PAGES:
            operator.opens(path)
            operator.sees("nexo_poller")
            assert operator.runs("return document.documentElement.scrollWidth") == width
            assert operator.complaints() == []
        operator.opens("/jobs/orders")
        operator.presses("Reset…")
        assert operator.complaints() == []


def test_what_is_unfolded_stays_so_when_the_page_changes(operator: Operator, served: Daemon, site: Server) -> None:
    site.routes["/inbox"] = lambda _: Response(status=503)
    site.routes["/orders"] = lambda _: orders(1, 2)
    served.post("/admin/pollers/orders/run")
    operator.follows("Outbox 1")
    operator.sees("order 2")
    operator.unfolds("order 2")
    operator.sees('"topic": "plugin.outbound.inbox')
    served.post("/admin/pollers/returns/run")
    operator.sees("Outbox 2", '"topic": "plugin.outbound.inbox')


def test_the_scripts_say_times_in_the_words_of_the_server(operator: Operator) -> None:
    lengths = [0, 999, 1000, 59_999, 60_000, 245_000, 3_599_999, 3_600_000, 11_520_000, 86_400_000, 187_200_000]
    script = "const [lengths, done] = arguments; import(`/admin/static/times.js`).then((times) => done(lengths.map(times.span)))"
    assert operator.driver.execute_async_script(script, lengths) == [span(timedelta(milliseconds=ms)) for ms in lengths]


def test_a_daemon_with_a_token_asks_for_it_once(browser: Chrome, tmp_path: Path, site: Server) -> None:
    write_jobs(tmp_path, site, "orders")
    file = tmp_path / "config" / "pollers.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "admin": {"token": "an-open-sesame"}}))
    with daemon(tmp_path) as served:
        operator = Operator(browser, served.url)
        operator.opens("/jobs/orders")
        operator.sees("This daemon asks for a token")
        operator.fills("token", "a guess")
        operator.presses("Open")
        operator.sees("this is not the token")
        operator.fills("token", "an-open-sesame")
        operator.presses("Open")
        operator.sees("orders", "History")
        operator.sees_it_live()
        operator.follows("Outbox")
        operator.sees("Nothing waits")


def test_without_scripts_the_page_can_be_read(browser: Chrome, served: Daemon) -> None:
    operator = Operator(browser, served.url)
    with operator.without_scripts():
        operator.opens("/")
        operator.sees("orders", "returns", "running 2", "Without JavaScript")
        operator.sees_no("Reload…")
        operator.fills("search", "ret")
        operator.presses("Search")
        operator.sees_no("orders")
        operator.follows("returns")
        operator.sees("History", "Next run", "every_secs")
        operator.sees_no("Run now")
