"""The demo's verdict, from a source's list and a receiver's."""

from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.cli.demo.ledger import Account, Arrival, accounts


def account(published: list[str], *arrivals: tuple[str, str]) -> Account:
    """The account of a job that published these items, of which `(event id, item)` arrived."""
    arrived = [Arrival(event_id=event_id, item=item) for event_id, item in arrivals]
    return accounts({"job": published}, arrived)["job"]


def test_every_item_once_and_in_order_is_clean() -> None:
    assert account(["a", "b"], ("1", "a"), ("2", "b")) == Account(
        published=2, delivered=2, lost=0, repeated=0, redelivered=0, disordered=0
    )
    assert account(["a", "b"], ("1", "a"), ("2", "b")).is_clean


def test_an_item_that_never_came_is_lost() -> None:
    verdict = account(["a", "b", "c"], ("1", "a"), ("3", "c"))
    assert (verdict.delivered, verdict.lost) == (2, 1)
    assert not verdict.is_clean


def test_an_item_under_a_second_event_id_is_repeated() -> None:
    verdict = account(["a"], ("1", "a"), ("2", "a"))
    assert (verdict.delivered, verdict.repeated, verdict.redelivered) == (1, 1, 0)
    assert not verdict.is_clean


def test_an_event_that_comes_again_under_its_own_id_is_recognised() -> None:
    verdict = account(["a", "b"], ("1", "a"), ("2", "b"), ("1", "a"))
    assert (verdict.repeated, verdict.redelivered, verdict.disordered) == (0, 1, 0)
    assert verdict.is_clean


def test_another_item_under_a_known_id_is_lost_since_a_receiver_drops_it() -> None:
    verdict = account(["a", "b"], ("1", "a"), ("1", "b"))
    assert (verdict.lost, verdict.redelivered) == (1, 1)
    assert not verdict.is_clean


def test_an_item_before_an_earlier_one_is_out_of_order() -> None:
    verdict = account(["a", "b", "c"], ("2", "b"), ("1", "a"), ("3", "c"))
    assert verdict.disordered == 1
    assert not verdict.is_clean


def test_a_job_that_delivered_nothing_is_not_clean() -> None:
    assert not account([]).is_clean


def test_jobs_are_told_apart_by_what_they_published() -> None:
    arrivals = [Arrival(event_id="1", item="x"), Arrival(event_id="2", item="a"), Arrival(event_id="3", item="?")]
    found = accounts({"news": ["a"], "orders": ["x", "y"]}, arrivals)
    assert (found["news"].lost, found["orders"].lost) == (0, 1)


@given(
    count=st.integers(1, 20),
    again=st.lists(st.integers(0, 19)),
    missing=st.sets(st.integers(0, 19)),
    twice=st.sets(st.integers(0, 19)),
)
def test_the_account_adds_up(count: int, again: list[int], missing: set[int], twice: set[int]) -> None:
    items = [f"item {n}" for n in range(count)]
    came = [(str(n), items[n]) for n in range(count) if n not in missing]
    repeated = [(f"{n} bis", items[n]) for n in range(count) if n in twice - missing]
    redelivered = [(str(n), items[n]) for n in again if n < count and n not in missing]
    verdict = account(items, *came, *repeated, *redelivered)
    assert verdict == Account(
        published=count,
        delivered=len(came),
        lost=count - len(came),
        repeated=len(repeated),
        redelivered=len(redelivered),
        disordered=0,
    )
