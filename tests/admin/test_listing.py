from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from views import NOON, job

from nexo_poller.admin.listing import JOBS_A_PAGE, Order, Query, listing
from nexo_poller.breaker import Breaker
from nexo_poller.errors import Problem
from nexo_poller.runner.condition import Condition
from nexo_poller.runner.views import JobView

FEED = job("feed", last_error="503 Service Unavailable", consecutive_errors=2)
ORDERS = job("orders", kind="webhook_poll", agent="ben", paused=True, pause_reason="ana: the shop is being moved")
WEATHER = job("weather", agent="ben")
BROKEN = job("broken", kind="", agent="", problems=(Problem(what="minute 61"),))
ALL = [WEATHER, FEED, ORDERS, BROKEN]


def found(query: Query) -> list[str]:
    return [shown.id for shown in listing(ALL, query).jobs]


def test_what_is_wrong_comes_first_and_otherwise_the_order_of_the_file_holds() -> None:
    open_breaker = job("open", consecutive_errors=9, breaker=Breaker.OPEN)
    ordered = listing([*ALL, open_breaker, job("again")], Query()).jobs
    assert [shown.id for shown in ordered] == ["broken", "open", "feed", "orders", "weather", "again"]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("FEED", ["feed"]),
        ("webhook ben", ["orders"]),
        ("unavailable", ["feed"]),
        ("being moved", ["orders"]),
        ("ben unavailable", []),
    ],
)
def test_all_words_of_a_search_must_be_somewhere_in_a_job(words: str, ids: list[str]) -> None:
    assert found(Query(words=words)) == ids


def test_jobs_can_be_picked_by_kind_agent_and_state() -> None:
    assert found(Query(kind="rss")) == ["feed", "weather"]
    assert found(Query(agent="ben")) == ["orders", "weather"]
    assert found(Query(agent="ben", state=Condition.RUNNING)) == ["weather"]


def test_the_counts_say_what_each_state_would_show_whichever_is_chosen() -> None:
    shown = listing(ALL, Query(agent="ben", state=Condition.PAUSED))
    assert shown.counts == {Condition.PAUSED: 1, Condition.RUNNING: 1}
    assert (shown.found, shown.total) == (1, len(ALL))


def test_kinds_and_agents_are_those_of_all_jobs() -> None:
    shown = listing(ALL, Query(kind="rss"))
    assert (shown.kinds, shown.agents) == (["rss", "webhook_poll"], ["ana", "ben"])


def test_the_next_to_run_first_leaves_the_paused_for_the_end() -> None:
    jobs = [
        job("paused", paused=True, pause_reason="x", next_run_at=NOON),
        job("late", next_run_at=NOON + timedelta(hours=1)),
        job("soon", next_run_at=NOON),
    ]
    assert [shown.id for shown in listing(jobs, Query(order=Order.NEXT)).jobs] == ["soon", "late", "paused"]


def test_the_last_to_have_run_first_leaves_those_that_never_ran_for_the_end() -> None:
    jobs = [job("never"), job("old", last_run_at=NOON), job("new", last_run_at=NOON + timedelta(hours=1))]
    assert [shown.id for shown in listing(jobs, Query(order=Order.LAST)).jobs] == ["new", "old", "never"]


def test_by_id_is_by_id() -> None:
    assert found(Query(order=Order.ID)) == ["broken", "feed", "orders", "weather"]


def test_a_page_beyond_the_last_is_the_last() -> None:
    shown = listing(MANY, Query(page=99))
    assert (shown.page, shown.pages, len(shown.jobs)) == (3, 3, 1)
    assert listing([], Query(page=2)).page == 1


MANY: list[JobView] = [job(f"job-{n}") for n in range(2 * JOBS_A_PAGE + 1)]


def test_the_pages_together_are_all_jobs_once() -> None:
    pages = [listing(MANY, Query(page=page)).jobs for page in (1, 2, 3)]
    assert [shown for page in pages for shown in page] == MANY


words = st.text(st.characters(codec="utf-8"), max_size=20)
queries = st.builds(
    Query,
    words=words.map(str.strip),
    kind=words,
    agent=words,
    state=st.none() | st.sampled_from(Condition),
    order=st.sampled_from(Order),
    page=st.integers(1, 99_999),
)


@given(queries)
def test_an_address_asks_for_what_it_was_made_of(query: Query) -> None:
    assert Query.from_arguments(query.arguments()) == query


@given(st.dictionaries(st.sampled_from(["q", "kind", "agent", "state", "order", "page", "more"]), words))
def test_whatever_stands_in_an_address_there_is_a_page(arguments: dict[str, str]) -> None:
    assert listing(ALL, Query.from_arguments(arguments)).page == 1
