"""`nexo-poller google login`, the whole of it: the command, a browser, and a Google on loopback."""

import json
import shlex
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from attrs import define
from command import NEXO_POLLER, Running, nexo_poller, running
from google_fake import Fault, GoogleFake, google_fake
from google_fake.fake import CALENDAR, MODIFY
from ticking import NO_AUTHORITIES

from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.google.login import full_scopes
from nexo_poller.http.pools import HttpPools
from nexo_poller.masking import fingerprint

CONFIG = """
agents:
  - {id: ana, credentials: {google: ana@example.com}}
google_auth:
  accounts:
    - id: ana@example.com
      agent_id: ana
      client_id_path: client_id.txt
      client_secret_path: client_secret.txt
      token_path: tokens/ana-token.json
      scopes: [gmail.modify, "https://www.googleapis.com/auth/calendar.readonly"]
pollers:
  jobs: []
"""
BROWSER = f"{shlex.quote(sys.executable)} -c 'import sys, httpx; httpx.get(sys.argv[1], follow_redirects=True)' %s"


@define(eq=False)
class Terminal:
    """The command under way, and the browser of whoever started it."""

    google: GoogleFake
    command: Running
    address: str

    @property
    def redirect_uri(self) -> str:
        return parse_qs(urlsplit(self.address).query)["redirect_uri"][0]

    async def browse(self) -> str:
        """Open the printed address, and follow where it leads; returns what the page says."""
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as browser:
            return (await browser.get(self.address)).text

    async def end(self) -> tuple[int, str]:
        """The exit code, and what the command said on stderr."""
        status = await self.command.process.wait()
        return status, self.command.stderr.decode()


def token_file(folder: Path) -> Path:
    return folder / "tokens" / "ana-token.json"


def prepared(google: GoogleFake, folder: Path) -> Mapping[str, str]:
    """Files of a configuration in `folder`; returns the environment that leads to the fake."""
    (folder / "pollers.yaml").write_text(CONFIG)
    google.account("ana@example.com")
    google.oauth.user = "ana@example.com"
    for name, text in (("client_id", google.oauth.client_id), ("client_secret", google.oauth.client_secret)):
        (folder / f"{name}.txt").write_text(f"{text}\n")
    return {"NEXO_POLLER_GOOGLE_URL": google.origin}


@asynccontextmanager
async def logging_in(google: GoogleFake, folder: Path, name: str = "ana@example.com") -> AsyncIterator[Terminal]:
    env = prepared(google, folder)
    arguments = ["google", "login", name, "--config", "pollers.yaml", "--no-browser"]
    async with running([*NEXO_POLLER, *arguments], cwd=folder, env=env) as command:
        _invitation, _blank, address = [await command.line() for _ in range(3)]
        yield Terminal(google, command, address)


async def outcome(terminal: Terminal) -> str:
    """What a login that came to nothing says; it has told no secret and left no token."""
    status, said = await terminal.end()
    assert status == 1
    assert [secret for secret in (*terminal.google.secrets, "ana@example.com") if secret in said] == []
    return said


async def test_a_login_writes_a_token_that_a_daemon_can_use(tmp_path: Path) -> None:
    async with google_fake() as google:
        async with logging_in(google, tmp_path) as terminal:
            assert "Logged in" in await terminal.browse()
            assert (await terminal.end())[0] == 0
        written = token_file(tmp_path)
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        assert json.loads(written.read_text())["scope"] == f"{CALENDAR} {MODIFY}"
        credentials = {
            "account_id": "ana@example.com",
            "client_id_path": tmp_path / "client_id.txt",
            "client_secret_path": tmp_path / "client_secret.txt",
            "token_path": written,
        }
        async with HttpPools.open(ssl_context=NO_AUTHORITIES) as pools:
            accounts = GoogleAccounts(google.endpoints)
            for _ in range(2):
                client = accounts.client(credentials, pools.client(allow_private_networks=True))
                profile = await client.get_json(f"{client.endpoints.gmail_url}/users/me/profile")
                assert profile["emailAddress"] == "ana@example.com"
                google.expire_access_tokens()
        assert google.refreshes == 1


async def test_the_address_asks_offline_with_a_challenge_a_state_and_a_hint(tmp_path: Path) -> None:
    async with google_fake() as google, logging_in(google, tmp_path, fingerprint("ana@example.com")) as terminal:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(terminal.address).query).items()}
        assert terminal.address.startswith(google.endpoints.auth_url)
        assert asked["scope"].split() == [CALENDAR, MODIFY]
        assert (asked["access_type"], asked["prompt"], asked["response_type"]) == ("offline", "consent", "code")
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) >= 43
        assert asked["login_hint"] == "ana@example.com"
        assert terminal.redirect_uri.startswith("http://127.0.0.1:")


async def test_the_browser_is_started_by_itself(tmp_path: Path) -> None:
    async with google_fake() as google:
        env = {**prepared(google, tmp_path), "BROWSER": BROWSER}
        command = [*NEXO_POLLER, "google", "login", "ana@example.com", "--config", "pollers.yaml"]
        async with running(command, cwd=tmp_path, env=env) as login:
            assert await login.process.wait() == 0
        assert token_file(tmp_path).exists()


async def test_what_does_not_belong_to_the_login_is_turned_away_and_the_login_goes_on(tmp_path: Path) -> None:
    async with google_fake() as google, logging_in(google, tmp_path) as terminal:
        async with httpx.AsyncClient(trust_env=False) as attacker:
            forged = await attacker.get(terminal.redirect_uri, params={"code": "4/stolen", "state": "guessed"})
            nameless = await attacker.get(terminal.redirect_uri, params={"code": "4/stolen"})
            head = await attacker.head(terminal.redirect_uri)
            icon = await attacker.get(f"{terminal.redirect_uri}/favicon.ico")
        statuses = [answer.status_code for answer in (forged, nameless, head, icon)]
        assert statuses == [400, 400, 404, 404]
        assert "Logged in" in await terminal.browse()
        assert (await terminal.end())[0] == 0


async def test_a_refusal_is_told_in_the_browser_and_in_the_terminal(tmp_path: Path) -> None:
    async with google_fake() as google:
        google.oauth.consent = "access_denied"
        async with logging_in(google, tmp_path) as terminal:
            assert "Not logged in" in await terminal.browse()
            assert "Google says access_denied" in await outcome(terminal)
        assert not token_file(tmp_path).exists()


async def test_less_than_was_asked_for_leaves_the_old_token(tmp_path: Path) -> None:
    async with google_fake() as google:
        google.oauth.consents_to = frozenset({CALENDAR})
        token_file(tmp_path).parent.mkdir()
        token_file(tmp_path).write_text("the old token")
        async with logging_in(google, tmp_path) as terminal:
            assert "Not logged in" in await terminal.browse()
            said = await outcome(terminal)
        assert f"not everything was allowed: {MODIFY} is missing" in said
        assert token_file(tmp_path).read_text() == "the old token"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(method="token", status=401, reason="invalid_client"), "check the files under client_id_path"),
        (Fault(method="token", status=503, reason="temporarily_unavailable"), "answered 503"),
        (Fault(method="token", status=200, body=b'{"access_token": "ya29.x", "scope": ""}'), "no refresh token"),
    ],
)
async def test_a_code_that_cannot_be_redeemed_says_why(tmp_path: Path, fault: Fault, said: str) -> None:
    async with google_fake() as google:
        google.echoes = fault.body is None
        google.faults.append(fault)
        async with logging_in(google, tmp_path) as terminal:
            assert "Not logged in" in await terminal.browse()
            assert said in await outcome(terminal)


async def test_a_code_of_another_login_is_of_no_use(tmp_path: Path) -> None:
    async with google_fake() as google:
        google.oauth.tampered = {"code": "4/of-somebody-else"}
        async with logging_in(google, tmp_path) as terminal:
            await terminal.browse()
            assert "invalid_grant" in await outcome(terminal)


async def test_a_login_can_be_given_up(tmp_path: Path) -> None:
    async with google_fake() as google, logging_in(google, tmp_path) as terminal:
        assert await terminal.command.ended_by(SIGINT) == 1


async def test_an_account_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "pollers.yaml").write_text(CONFIG)
    said = nexo_poller("google", "login", "bob", "--config", "pollers.yaml", cwd=tmp_path, status=1).stderr
    assert "there is no such Google account" in said
    assert f"{fingerprint('ana@example.com')} of agent 'ana' (pollers.yaml:6" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("client_id.txt", None), "client_id_path cannot be read: No such file"),
        (("client_secret.txt", ""), "client_secret_path is empty"),
        (("pollers.yaml", CONFIG.replace("scopes: [", "# scopes: [")), "the account lists no scopes"),
    ],
)
async def test_what_is_missing_is_said_before_anybody_is_asked(
    tmp_path: Path, change: tuple[str, str | None], said: str
) -> None:
    async with google_fake() as google:
        prepared(google, tmp_path)
    name, text = change
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_text(text)
    done = nexo_poller("google", "login", "ana@example.com", "--config", "pollers.yaml", cwd=tmp_path, status=1)
    assert said in done.stderr
    assert "http" not in done.stdout


def test_short_names_of_scopes_are_completed() -> None:
    given: Any = ["gmail.modify", MODIFY, "https://mail.google.com/", "openid", "email"]
    email = "https://www.googleapis.com/auth/userinfo.email"
    assert full_scopes(given) == {MODIFY, "https://mail.google.com/", "openid", email}
