"""The poller of docs/howto/write-a-poller.md does as the page says; the page itself is followed by test_snippets.py."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from snippets import snippets

from nexo_poller import Poller
from nexo_poller.testing import Harness, answer, assert_poller_contract, in_turn

CONFIG = {
    "base_url": "https://tickets.example",
    "project": "ops",
    "deliver": {"channel": "inbox", "to": "ana"},
}
ADDRESS = "/projects/ops/tickets"


@pytest.fixture
def tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poller_harness: Harness) -> Poller[Any]:
    (code,) = (one.code for one in snippets("docs/howto/write-a-poller.md") if one.marks.get("file") == "tickets.py")
    tmp_path.joinpath("tickets.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tickets", raising=False)
    poller_harness.credentials["tickets"] = {"account_id": "ana"}
    poller: Poller[Any] = import_module("tickets").TicketsPoller()
    return poller


def listed(*numbers: int) -> list[dict[str, object]]:
    return [{"number": number, "title": f"ticket {number}"} for number in numbers]


async def test_a_ticket_that_the_source_lists_again_is_told_once(tickets: Poller[Any], poller_harness: Harness) -> None:
    poller_harness.http[ADDRESS] = in_turn(
        answer(json=listed(1, 2)), answer(json=listed(2, 3)), answer(json=listed(3)), answer(json=[])
    )
    first = await poller_harness.tick(tickets, config=CONFIG)
    assert [first.texts, *(tick.texts for tick in await poller_harness.ticks(3))] == [[], ["ticket 3"], [], []]


async def test_it_keeps_the_contract(tickets: Poller[Any], poller_harness: Harness) -> None:
    def news(n: int) -> None:
        poller_harness.http[ADDRESS] = answer(json=listed(*range(n * 100)))

    news(1)
    await assert_poller_contract(
        tickets, good=CONFIG, bad=[{**CONFIG, "project": ""}], harness=poller_harness, news=news
    )
