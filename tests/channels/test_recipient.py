"""`{to}` in a channel's URL."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.channels.recipient import filled_in
from nexo_poller.errors import MessageRejected

recipients = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda to: to not in (".", ".."))


@given(to=recipients)
def test_a_recipient_cannot_leave_its_place(to: str) -> None:
    url = urlsplit(filled_in("https://bots.example/send/{to}/now?to={to}", {"to": to}))
    assert url.netloc == "bots.example"
    path = url.path.split("/")
    assert [path[1], unquote(path[2]), path[3]] == ["send", to, "now"]
    assert len(path) == 4
    assert parse_qs(url.query, keep_blank_values=True) == {"to": [to]}
    assert url.fragment == ""


def test_a_number_will_do() -> None:
    assert filled_in("sms://{to}", {"to": 4915112345}) == "sms://4915112345"


@pytest.mark.parametrize("payload", [{}, {"to": ""}, {"to": None}, {"to": ["a"]}, "text", None, 7])
def test_nobody_is_no_recipient(payload: Any) -> None:
    with pytest.raises(MessageRejected, match="names nobody"):
        filled_in("https://bots.example/{to}", payload)
    assert filled_in("https://bots.example/all", payload) == "https://bots.example/all"


@pytest.mark.parametrize("to", [".", ".."])
def test_dots_do_not_lead_to_another_path(to: str) -> None:
    with pytest.raises(MessageRejected, match="another path"):
        filled_in("https://bots.example/send/{to}", {"to": to})
