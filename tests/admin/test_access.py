"""Who may call, decided on values."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.admin.access import (
    SAFE_METHODS,
    SESSION_LASTS,
    Request,
    Rules,
    is_session,
    is_token,
    new_session,
    refusal,
    rules_for,
)
from nexo_poller.config.binds import TcpBind, UnixBind
from nexo_poller.config.model import AdminSettings
from nexo_poller.errors import AdminRefused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "0123456789abcdef"
GET = Request(method="GET", host="127.0.0.1:9091")
POST = Request(method="POST", host="127.0.0.1:9091")
OPEN, WITH_TOKEN = Rules(), Rules(token=TOKEN)
HEADERS = st.none() | st.text(max_size=30)
CHANGES = st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "TRACE", "MOVE", "post"])
HOSTS = ["127.0.0.1", "localhost", "LocalHost:80", "127.8.9.1:9091", "[::1]", "[::1]:9091"]


def status(request: Request, rules: Rules = OPEN) -> int | None:
    refused = refusal(request, rules, NOW)
    return None if refused is None else refused.status


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_this_machine_is_answered_by_its_own_names(host: str, method: str) -> None:
    assert status(Request(method=method, host=host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *(
            None,
            "",
            "evil.example",
            "evil.example:9091",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
        ),
        *(
            "localhost:9091@evil.example",
            "evil.example#localhost",
            "localhost/",
            "127.0.0.1:port",
            "[::1]evil",
            "[::2]",
        ),
        *("localhost evil.example", "localhost\n", "::1", "0.0.0.0", "127.1", "2130706433", "local\u017fhost"),
    ],
)
def test_any_other_name_is_refused(host: str | None) -> None:
    assert status(Request(method="GET", host=host)) == 403


@given(host=HEADERS)
def test_a_name_that_is_answered_is_a_loopback_one(host: str | None) -> None:
    if status(Request(method="GET", host=host)) is None:
        assert host is not None
        assert host.lower().startswith(("localhost", "127.", "[::1]", "[0"))


@pytest.mark.parametrize("client", ["192.0.2.7", "::ffff:192.0.2.7", "fe80::1%eth0", "128.0.0.1", "<local>", ""])
@given(method=st.sampled_from([*SAFE_METHODS, "POST"]), host=st.sampled_from(HOSTS), is_public=st.booleans())
def test_without_a_token_no_other_machine_is_answered_whatever_it_says_of_itself(
    client: str, method: str, host: str, is_public: bool
) -> None:
    request = Request(method=method, host=host, client=client, is_public=is_public)
    refused = refusal(request, OPEN, NOW)
    assert refused is not None
    assert refused.status == 403
    assert "token=… in Rules" in refused.error
    assert status(evolve(request, authorization=f"Bearer {TOKEN}"), WITH_TOKEN) is None


@pytest.mark.parametrize("client", [None, "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_answered_without_a_token(client: str | None) -> None:
    assert status(evolve(POST, client=client)) is None


def test_a_configured_name_is_answered_whatever_its_case_and_port() -> None:
    rules = rules_for(AdminSettings(bind=TcpBind("10.0.0.7", 9091), token=TOKEN, hosts=("Ops.Example",)))
    request = Request(method="GET", host="ops.EXAMPLE:443", authorization=f"Bearer {TOKEN}")
    assert status(request, rules) is None
    assert status(evolve(request, host="10.0.0.7:9091"), rules) is None
    assert status(evolve(request, host="10.0.0.8:9091"), rules) == 403


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_a_server_on_all_addresses_is_answered_by_any_address_and_by_no_other_name(everywhere: str) -> None:
    rules = rules_for(AdminSettings(bind=TcpBind(everywhere, 9091), token=TOKEN))
    request = Request(method="GET", host="192.0.2.7:9091", authorization=f"Bearer {TOKEN}")
    assert status(request, rules) is None
    assert status(evolve(request, host="evil.example"), rules) == 403


@given(method=CHANGES, origin=st.text(max_size=30))
def test_another_origin_changes_nothing(method: str, origin: str) -> None:
    assert status(evolve(POST, method=method, origin=origin)) == 403


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "", "https://evil.example", "http://127.0.0.1", "http://127.0.0.1:9092", "http://localhost:9091"),
        *("http://127.0.0.1:9091.evil.example", "http://evil@127.0.0.1:9091", "file://127.0.0.1:9091", "http://[::1"),
        *("http://127.0.0.1:9091, http://evil.example", "//127.0.0.1:9091"),
    ],
)
def test_an_origin_is_another_unless_it_is_the_very_host(origin: str) -> None:
    assert status(evolve(POST, origin=origin)) == 403
    assert status(evolve(GET, origin=origin)) is None
    assert status(evolve(POST, origin="http://127.0.0.1:9091")) is None


@pytest.mark.parametrize(
    ("site", "wanted"), [("cross-site", 403), ("same-site", 403), ("", 403), ("same-origin", None)]
)
def test_a_browser_that_says_which_site_asks_is_believed(site: str, wanted: int | None) -> None:
    assert status(evolve(POST, fetch_site=site)) == wanted
    assert status(evolve(GET, fetch_site=site)) is None


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "text/json",
        "xapplication/json",
    ],
)
@given(method=CHANGES, has_body=st.booleans())
def test_what_a_form_of_another_site_can_send_changes_nothing(content_type: str, method: str, has_body: bool) -> None:
    assert status(evolve(POST, method=method, content_type=content_type, has_body=has_body)) == 415


def test_a_body_is_said_to_be_json() -> None:
    assert status(evolve(POST, has_body=True)) == 415
    assert status(evolve(POST, has_body=True, content_type="Application/JSON; charset=utf-8")) is None
    assert status(POST) is None


@given(authorization=HEADERS, session=HEADERS, method=st.sampled_from([*SAFE_METHODS, "POST", "PUT", "DELETE"]))
def test_without_the_token_there_is_no_answer(authorization: str | None, session: str | None, method: str) -> None:
    request = Request(method=method, host="localhost", authorization=authorization, session=session)
    assert status(request, WITH_TOKEN) == 401
    assert status(evolve(request, is_public=True), WITH_TOKEN) is None


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_the_token_is_answered(authorization: str) -> None:
    assert status(evolve(POST, authorization=authorization), WITH_TOKEN) is None


@pytest.mark.parametrize(
    "authorization", [TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer"]
)
def test_what_is_not_quite_the_token_is_not(authorization: str) -> None:
    assert status(evolve(GET, authorization=authorization), WITH_TOKEN) == 401


@given(candidate=st.text(), token=st.text())
def test_tokens_are_the_same_or_not(candidate: str, token: str) -> None:
    assert is_token(candidate, token) == (candidate == token)
    assert is_token(token, token)


def test_a_session_stands_for_the_token_for_a_week() -> None:
    session = new_session(TOKEN, NOW)
    assert status(evolve(POST, session=session), WITH_TOKEN) is None
    assert is_session(session, TOKEN, NOW + SESSION_LASTS - timedelta(milliseconds=1))
    assert not is_session(session, TOKEN, NOW + SESSION_LASTS)
    assert not is_session(session, "another token", NOW)
    assert TOKEN not in session


@given(st.integers(0, 76), st.sampled_from("0123456789abcdef."))
def test_a_session_cannot_be_made_longer_or_up(place: int, character: str) -> None:
    session = new_session(TOKEN, NOW)
    changed = f"{session[:place]}{character}{session[place + 1 :]}"
    assert is_session(changed, TOKEN, NOW) == (changed == session)
    assert not is_session(f"9{session}", TOKEN, NOW)


def test_the_cookie_of_each_token_has_a_name_of_its_own_which_does_not_tell_the_token() -> None:
    names = [Rules(token=token).session_cookie for token in (TOKEN, f"{TOKEN}x", None)]
    assert len(set(names)) == 3
    assert Rules(token=TOKEN, hosts=frozenset({"ops.example"})).session_cookie == names[0]
    assert len(names[0].removeprefix("nexo_poller_session_")) == 8
    assert not new_session(TOKEN, NOW).partition(".")[2].startswith(names[0][-8:])


def test_a_wrong_authorization_is_not_mended_by_a_session() -> None:
    assert status(evolve(GET, authorization="Bearer x", session=new_session(TOKEN, NOW)), WITH_TOKEN) == 401


@pytest.mark.parametrize(
    "bind", [TcpBind("127.0.0.1", 9091), TcpBind("localhost", 0), TcpBind("::1", 1), UnixBind(Path("x"))]
)
def test_this_machine_alone_needs_no_token(bind: Any) -> None:
    assert rules_for(AdminSettings(bind=bind)).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "ops.example", "127.0.0.1.evil.example"])
def test_others_do_and_the_error_says_how(host: str) -> None:
    with pytest.raises(AdminRefused, match=r"without a token.*add `admin: \{token: \$\{file:…\}\}`"):
        rules_for(AdminSettings(bind=TcpBind(host, 9091)))
    assert rules_for(AdminSettings(bind=TcpBind(host, 9091), token=TOKEN)).token == TOKEN


def test_the_token_stands_in_no_repr() -> None:
    request = evolve(GET, authorization=TOKEN, session=TOKEN)
    assert TOKEN not in f"{WITH_TOKEN} {request} {AdminSettings(token=TOKEN)}"
