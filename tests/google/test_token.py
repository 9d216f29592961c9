"""The formats of token files."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from nexo_poller.google.token import Answer, Token

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECONDS = int(NOON.timestamp())
ANSWER = Answer(access_token="new", expires_at=NOON, scope="a b")


@pytest.mark.parametrize(
    "document",
    [
        {"token": "old", "refresh_token": "r", "expiry": "2026-05-04T12:00:00Z", "client_id": "c"},
        {"token": "old", "refresh_token": "r", "expiry": "2026-05-04T12:00:00.000000Z"},
        {"token": "old", "refresh_token": "r", "expiry": "2026-05-04T12:00:00"},
        {"access_token": "old", "refresh_token": "r", "expires_at": SECONDS},
        {"access_token": "old", "refresh_token": "r", "expires_at": float(SECONDS), "scope": "a"},
        {"access_token": "old", "refresh_token": "r", "expiry_date": SECONDS * 1000},
    ],
)
def test_every_format_is_read_and_kept(document: dict[str, Any]) -> None:
    token = Token.from_text(json.dumps(document))
    assert (token.access_token, token.refresh_token, token.expires_at) == ("old", "r", NOON)
    renewed = Token.from_text(token.renewed(ANSWER).to_text())
    assert (renewed.access_token, renewed.refresh_token, renewed.expires_at) == ("new", "r", NOON)
    assert renewed.document.keys() - {"scope"} == document.keys() - {"scope"}


def test_a_file_of_gcloud_without_an_access_token_is_completed_in_its_own_format() -> None:
    token = Token.from_text('{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}')
    assert not token.is_good(NOON)
    assert token.renewed(ANSWER).document == {
        **token.document,
        "token": "new",
        "scope": "a b",
        "expiry": "2026-05-04T12:00:00Z",
    }


def test_a_list_of_scopes_stays_a_list() -> None:
    token = Token.from_text('{"access_token": "old", "refresh_token": "r", "scopes": ["a"]}')
    assert token.renewed(ANSWER).document["scopes"] == ["a", "b"]


def test_a_refresh_token_that_rotates_replaces_the_old_one() -> None:
    token = Token.from_text('{"access_token": "old", "refresh_token": "r"}')
    answer = Answer(access_token="new", expires_at=None, refresh_token="r2")
    assert token.renewed(answer).refresh_token == "r2"


@pytest.mark.parametrize("expiry", ["soon", None, True, "inf", 10**30, [], {"at": 1}])
@pytest.mark.parametrize("key", ["expires_at", "expiry", "expiry_date"])
def test_an_expiry_that_cannot_be_read_is_none(key: str, expiry: object) -> None:
    token = Token.from_text(json.dumps({"access_token": "old", "refresh_token": "r", key: expiry}))
    assert token.expires_at is None
    assert token.is_good(NOON)


@pytest.mark.parametrize("stranger", ["ya29.a\nb", "ya29.\x00", "ya29.\xe9"])
def test_an_access_token_that_no_header_can_carry_is_none(stranger: str) -> None:
    token = Token.from_text(json.dumps({"access_token": stranger, "refresh_token": "r"}))
    assert token.access_token == ""
    assert not token.is_good(NOON)


def test_no_secret_is_in_a_repr() -> None:
    assert "old" not in repr(Token.from_text('{"access_token": "old", "refresh_token": "r"}'))
    assert "new" not in repr(ANSWER)
