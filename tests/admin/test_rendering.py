import json

from nexo_poller.admin.rendering import LONGEST_EVENT, LONGEST_GIST, event, gist
from nexo_poller.broker import Message


def message(payload: object) -> Message:
    return Message(id="1", topic="plugin.outbound.telegram", body=json.dumps({"payload": payload}).encode())


def test_the_gist_of_a_message_is_its_text_in_one_line() -> None:
    assert gist(message({"text": "order 7\n of  Grace", "to": "1"})) == "order 7 of Grace"


def test_the_gist_of_a_message_without_a_text_is_its_payload() -> None:
    assert gist(message({"subject": "é"})) == '{"subject": "é"}'
    assert gist(message([1, 2])) == "[1, 2]"
    assert gist(message("plain")) == "plain"


def test_a_long_message_is_cut_short() -> None:
    assert gist(message("x" * 1000)) == "x" * LONGEST_GIST + " …"
    assert len(event(message("x" * 100_000))) == LONGEST_EVENT + 2
